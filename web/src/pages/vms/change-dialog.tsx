import { call } from "../../api/client";
import type { VmInfo } from "../../api/types";
import { parseCount, parseObject } from "../../lib/pairs";
import { vmChanges } from "../../state/live";
import { AreaField, TextField } from "../../ui/field";
import { FormDialog, textOf } from "../../ui/form-dialog";
import { vmTitle } from "./vm-calls";

interface Props {
  vm: VmInfo;
  onClose: () => void;
}

/** Changes a VM's times and metadata. Times that are emptied are taken away, which the API calls 0. */
export function ChangeDialog({ vm, onClose }: Props) {
  const lifetime = vm.expires_at ? vm.expires_at - vm.created_at : "";
  return (
    <FormDialog
      title={`Times and metadata of ${vmTitle(vm)}`}
      submit="Change"
      onClose={onClose}
      onSubmit={async (form, signal) => {
        const body = {
          idle_timeout_s: parseCount(textOf(form, "idle_timeout_s"), "the idle time") ?? 0,
          max_lifetime_s: parseCount(textOf(form, "max_lifetime_s"), "the lifetime") ?? 0,
          metadata: parseObject(textOf(form, "metadata"), "metadata") ?? {},
        };
        await call("patch", "/v1/vms/{id}", { path: { id: vm.id }, body, signal });
        vmChanges.value += 1;
      }}
    >
      <div class="fields">
        <TextField
          label="Idle time (s)"
          name="idle_timeout_s"
          type="number"
          min={1}
          placeholder="never paused"
          defaultValue={vm.idle_timeout_s ?? ""}
          hint="Without a request for so long it is paused until the next one."
        />
        <TextField
          label="Lifetime (s)"
          name="max_lifetime_s"
          type="number"
          min={1}
          placeholder="no end"
          defaultValue={lifetime}
          hint="So long after its creation it is deleted."
        />
        <div class="whole">
          <AreaField
            label="Metadata (JSON)"
            name="metadata"
            rows={6}
            defaultValue={JSON.stringify(vm.metadata, null, 2)}
          />
        </div>
      </div>
    </FormDialog>
  );
}
