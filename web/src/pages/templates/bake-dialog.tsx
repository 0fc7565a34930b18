import { useState } from "preact/hooks";
import { address, jsonInit } from "../../api/client";
import type { ProgressEvent, TemplateInfo } from "../../api/types";
import { work } from "../../api/work";
import { parseCount } from "../../lib/pairs";
import { TextField } from "../../ui/field";
import { FormDialog, textOf } from "../../ui/form-dialog";
import { ProgressLine } from "../../ui/progress-line";
import { OriginField } from "../vms/origin-field";

interface Props {
  onDone: () => void;
  onClose: () => void;
}

/** Bakes a template where it is missing. The bake goes on when the dialog is closed. */
export function BakeDialog({ onDone, onClose }: Props) {
  const [progress, setProgress] = useState<ProgressEvent | null>(null);
  return (
    <FormDialog
      title="Make a template"
      submit="Make it"
      doing="Making it…"
      onClose={onClose}
      onSubmit={async (form, signal) => {
        const memory = parseCount(textOf(form, "memory_mib"), "memory");
        const vcpus = parseCount(textOf(form, "vcpus"), "the number of CPUs");
        const body = {
          image: textOf(form, "origin"),
          ...(memory === undefined ? {} : { memory_mib: memory }),
          ...(vcpus === undefined ? {} : { vcpus }),
        };
        await work<TemplateInfo>(
          address("post", "/v1/templates", {}),
          jsonInit("post", body, signal),
          setProgress,
        );
        onDone();
      }}
    >
      <p>
        A machine of this image and shape is booted, frozen and tried. What is there already is not made
        again.
      </p>
      <div class="fields">
        <OriginField origin="image" />
        <TextField
          label="Memory (MiB)"
          name="memory_mib"
          type="number"
          min={128}
          max={65536}
          placeholder="256"
        />
        <TextField label="CPUs" name="vcpus" type="number" min={1} max={32} placeholder="1" />
      </div>
      <ProgressLine progress={progress} />
    </FormDialog>
  );
}
