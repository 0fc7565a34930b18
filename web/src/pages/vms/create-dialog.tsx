import { useState } from "preact/hooks";
import { call } from "../../api/client";
import { go } from "../../state/location";
import { vmChanges } from "../../state/live";
import { tellDone } from "../../state/notices";
import { AreaField, TextField } from "../../ui/field";
import { FormDialog, textOf } from "../../ui/form-dialog";
import { createRequest, type Origin } from "./create-request";
import { OriginField } from "./origin-field";
import { vmAddress } from "./vm-calls";

interface Props {
  /** Where the VM is to begin, where that is known already. */
  from?: { origin: Origin; name: string };
  onClose: () => void;
}

const ORIGINS: readonly Origin[] = ["image", "template", "snapshot"];

/** The form for a VM that stays. Its page opens when it is there. */
export function CreateVmDialog({ from, onClose }: Props) {
  const [origin, setOrigin] = useState<Origin>(from?.origin ?? "image");
  return (
    <FormDialog
      title={from?.origin === "snapshot" ? `Restore ${from.name}` : "Create a VM"}
      submit={from?.origin === "snapshot" ? "Restore" : "Create"}
      doing="Waiting for the VM…"
      wide
      onClose={onClose}
      onSubmit={async (form, signal) => {
        const body = createRequest(origin, (field) => textOf(form, field));
        const vm = await call("post", "/v1/vms", { body, signal });
        vmChanges.value += 1;
        go(vmAddress(vm.id));
        if (vm.warnings && vm.warnings.length > 0) tellDone(vm.warnings.join("; "));
      }}
    >
      <div class="fields">
        <fieldset class="row whole">
          <legend>Begin with</legend>
          {ORIGINS.map((each) => (
            <label key={each}>
              <input
                type="radio"
                name="kind"
                checked={origin === each}
                onChange={() => {
                  setOrigin(each);
                }}
              />
              {each}
            </label>
          ))}
        </fieldset>
        <OriginField
          key={origin}
          origin={origin}
          {...(from?.origin === origin ? { value: from.name } : {})}
        />
        <TextField label="Name" name="name" maxLength={128} placeholder="none" />
        {origin === "image" && (
          <>
            <TextField
              label="Memory (MiB)"
              name="memory_mib"
              type="number"
              min={128}
              max={65536}
              placeholder="256"
            />
            <TextField label="CPUs" name="vcpus" type="number" min={1} max={32} placeholder="1" />
          </>
        )}
        <TextField label="Disk (MiB)" name="disk_mib" type="number" min={1} placeholder="4096" />
        <TextField
          label="Idle time (s)"
          name="idle_timeout_s"
          type="number"
          min={1}
          placeholder="never paused"
          hint="Without a request for so long it is paused until the next one."
        />
        <TextField
          label="Lifetime (s)"
          name="max_lifetime_s"
          type="number"
          min={1}
          placeholder="no end"
          hint="So long after its creation it is deleted."
        />
        <AreaField label="Environment" name="env" rows={3} placeholder={"KEY=VALUE\nKEY=VALUE"} />
        <AreaField label="Metadata (JSON)" name="metadata" rows={3} placeholder={'{"user": "ada"}'} />
      </div>
    </FormDialog>
  );
}
