import { useState } from "preact/hooks";
import { address, jsonInit } from "../../api/client";
import type { ImageInfo, ProgressEvent } from "../../api/types";
import { work } from "../../api/work";
import { TextField, SelectField } from "../../ui/field";
import { FormDialog, textOf } from "../../ui/form-dialog";
import { ProgressLine } from "../../ui/progress-line";

/** What the server can reach itself, and what is sent to it. */
const KINDS = [
  ["source", "a source that the server can reach"],
  ["oci-archive", "an OCI archive"],
  ["docker-archive", "an archive of docker save"],
  ["rootfs", "a tar of a root file system, or an ext4 image"],
  ["dockerfile", "a Dockerfile or a tar of its context"],
] as const;
type Kind = (typeof KINDS)[number][0];

interface Props {
  onDone: () => void;
  onClose: () => void;
}

/** What is asked of the server for a form that is filled in. */
function requestOf(kind: Kind, form: FormData, signal: AbortSignal): { url: string; init: RequestInit } {
  const name = textOf(form, "name").trim();
  if (kind === "source") {
    const username = textOf(form, "username");
    const body = {
      source: textOf(form, "source").trim(),
      ...(name === "" ? {} : { name }),
      ...(username === "" ? {} : { auth: { username, password: textOf(form, "password") } }),
    };
    return { url: address("post", "/v1/images", {}), init: jsonInit("post", body, signal) };
  }
  const file = form.get("file");
  if (!(file instanceof File) || file.size === 0) throw new Error("choose a file to send");
  return {
    url: address("post", "/v1/images", { query: name === "" ? { kind } : { kind, name } }),
    init: { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" }, signal },
  };
}

/** Makes an image and shows how that goes on. Closing the dialog gives it up. */
export function AddImageDialog({ onDone, onClose }: Props) {
  const [kind, setKind] = useState<Kind>("source");
  const [progress, setProgress] = useState<ProgressEvent | null>(null);
  return (
    <FormDialog
      title="Add an image"
      submit="Add"
      doing="Making it…"
      wide
      onClose={onClose}
      onSubmit={async (form, signal) => {
        const { url, init } = requestOf(kind, form, signal);
        await work<ImageInfo>(url, init, setProgress);
        onDone();
      }}
    >
      <div class="fields">
        <div class="whole">
          <SelectField
            label="From"
            value={kind}
            onChange={(value) => {
              setKind(KINDS.find(([each]) => each === value)?.[0] ?? "source");
            }}
          >
            {KINDS.map(([each, text]) => (
              <option key={each} value={each}>
                {text}
              </option>
            ))}
          </SelectField>
        </div>
        <TextField label="Name" name="name" maxLength={128} placeholder="made of the source" />
        {kind === "source" ? (
          <>
            <div class="whole">
              <TextField
                label="Source"
                name="source"
                required
                placeholder="debian:bookworm+python3,ca-certificates"
                hint="debian:SUITE+package,package, docker:NAME or registry:REFERENCE"
              />
            </div>
            <TextField label="Registry user" name="username" placeholder="none" />
            <div class="field">
              <label for="registry-password">Registry password</label>
              <input id="registry-password" type="password" name="password" autocomplete="off" />
              <small>Neither kept nor logged.</small>
            </div>
          </>
        ) : (
          <div class="field whole">
            <label for="image-file">File</label>
            <input id="image-file" type="file" name="file" required />
          </div>
        )}
      </div>
      <ProgressLine progress={progress} />
    </FormDialog>
  );
}
