import { useState } from "preact/hooks";
import type { FunctionKind } from "../../api/types";
import { AreaField, TextField } from "../../ui/field";
import { STARTS } from "./deploy-request";

/** A function's code: written here, or an archive to send. */
export function CodeFields({ kind }: { kind: FunctionKind }) {
  const [how, setHow] = useState<"write" | "upload">("write");
  const { file, code } = STARTS[kind];
  return (
    <fieldset class="whole stack-tight">
      <legend>Code</legend>
      <div class="segments" role="group" aria-label="Where the code comes from">
        <button
          type="button"
          aria-pressed={how === "write"}
          onClick={() => {
            setHow("write");
          }}
        >
          Write it here
        </button>
        <button
          type="button"
          aria-pressed={how === "upload"}
          onClick={() => {
            setHow("upload");
          }}
        >
          Upload an archive
        </button>
      </div>
      {how === "write" ? (
        <>
          <TextField label="File" name="code_file" required defaultValue={file} />
          <AreaField label="Source" name="code" rows={7} defaultValue={code} />
        </>
      ) : (
        <div class="field">
          <label for="code-archive">A zip, tar or tar.gz of at most 50 MiB</label>
          <input
            id="code-archive"
            type="file"
            name="file"
            accept=".zip,.tar,.tgz,.gz"
            required={kind !== "lambda"}
          />
        </div>
      )}
    </fieldset>
  );
}
