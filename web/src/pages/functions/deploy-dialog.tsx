import { useState } from "preact/hooks";
import type { FunctionInfo, FunctionKind, ProgressEvent } from "../../api/types";
import { addressOf } from "../../lib/route";
import { tarOf } from "../../lib/tar";
import { go } from "../../state/location";
import { tellDone } from "../../state/notices";
import { AreaField, SelectField, TextField } from "../../ui/field";
import { FormDialog, textOf } from "../../ui/form-dialog";
import { ProgressLine } from "../../ui/progress-line";
import { OriginField } from "../vms/origin-field";
import { CodeFields } from "./code-fields";
import { deployRequest, KINDS, TAKES } from "./deploy-request";
import { deploy } from "./function-calls";

interface Props {
  /** The function that gets another version, where there is one. */
  of?: FunctionInfo;
  onClose: () => void;
}

/** What was uploaded or written, as an archive; null where an image has its code already. */
function codeOf(form: FormData): Blob | null {
  const file = form.get("file");
  if (file instanceof File) return file.size > 0 ? file : null;
  const text = textOf(form, "code");
  return text.trim() === "" ? null : new Blob([tarOf(textOf(form, "code_file"), text)]);
}

/** Deploys a function, or another version of one. The deploy goes on when the dialog is closed. */
export function DeployDialog({ of, onClose }: Props) {
  const newest = of?.newest;
  const [kind, setKind] = useState<FunctionKind>(newest?.kind ?? "python");
  const [progress, setProgress] = useState<ProgressEvent | null>(null);
  const takes = TAKES[kind];
  return (
    <FormDialog
      title={of ? `Another version of ${of.name}` : "Deploy a function"}
      submit="Deploy"
      doing="Initialising and freezing it…"
      wide
      onClose={onClose}
      onSubmit={async (form, signal) => {
        const request = deployRequest(kind, (field) => textOf(form, field));
        const deployed = await deploy(request, codeOf(form), setProgress, signal);
        const warnings = deployed.newest.warnings ?? [];
        go(addressOf({ page: "function", name: deployed.name, tab: "invoke" }));
        tellDone(
          `${deployed.name} version ${deployed.newest.version} serves events. ${warnings.join("; ")}`.trim(),
        );
      }}
    >
      <div class="fields">
        <TextField
          label="Name"
          name="name"
          required
          maxLength={64}
          pattern="[A-Za-z0-9_\-]+"
          defaultValue={of?.name ?? ""}
        />
        <OriginField origin="image" value={newest?.image ?? "python"} />
        <SelectField
          label="Kind"
          value={kind}
          onChange={(value) => {
            setKind(KINDS.find((each) => each === value) ?? "python");
          }}
        >
          {KINDS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </SelectField>
        {takes.handler && (
          <TextField
            label="Handler"
            name="handler"
            required={kind !== "lambda"}
            defaultValue={newest?.handler ?? "app.handle"}
            hint="module.function"
          />
        )}
        {takes.command && (
          <TextField
            key={kind}
            label="Command"
            name="command"
            required={kind !== "lambda"}
            defaultValue={newest?.command?.join(" ") ?? (kind === "http" ? "python3 server.py" : "sh run.sh")}
          />
        )}
        {takes.port && (
          <TextField label="Port" name="port" type="number" min={1} max={65535} placeholder="8080" />
        )}
        <CodeFields key={kind} kind={kind} />
      </div>
      <details>
        <summary>Environment and limits</summary>
        <div class="fields">
          <TextField label="Memory (MiB)" name="memory_mib" type="number" min={128} placeholder="256" />
          <TextField label="CPUs" name="vcpus" type="number" min={1} placeholder="1" />
          <TextField
            label="Time for an event (ms)"
            name="timeout_ms"
            type="number"
            min={1}
            placeholder="30000"
          />
          <TextField label="Events at once" name="concurrency" type="number" min={1} placeholder="10" />
          <TextField label="Warm at least" name="min_warm" type="number" min={0} placeholder="1" />
          <TextField label="Warm at most" name="max_warm" type="number" min={0} placeholder="8" />
          <TextField label="Events of one clone" name="reuse" type="number" min={1} placeholder="1" />
          <div class="whole">
            <AreaField label="Environment" name="env" rows={3} placeholder="KEY=VALUE" />
          </div>
        </div>
      </details>
      <ProgressLine progress={progress} />
    </FormDialog>
  );
}
