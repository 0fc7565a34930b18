import type { VmInfo } from "../../api/types";
import { parseCount } from "../../lib/pairs";
import { TextField } from "../../ui/field";
import { FormDialog, textOf } from "../../ui/form-dialog";
import { ChangeDialog } from "./change-dialog";
import { forkVm, removeVm, renameVm, snapshotVm, turnVm, vmTitle } from "./vm-calls";

export type VmDialogKind = "fork" | "snapshot" | "rename" | "change" | "stop" | "remove";

interface Props {
  vm: VmInfo;
  onClose: () => void;
}

function ForkDialog({ vm, onClose }: Props) {
  return (
    <FormDialog
      title={`Fork ${vmTitle(vm)}`}
      submit="Fork"
      doing="Forking…"
      onClose={onClose}
      onSubmit={async (form, signal) => {
        const names = textOf(form, "names")
          .split(/[\s,]+/)
          .filter((name) => name !== "");
        const count = parseCount(textOf(form, "count"), "the number of VMs");
        await forkVm(vm, names, count ?? Math.max(1, names.length), signal);
      }}
    >
      <p>
        The new VMs begin where this one is now: its programs, its memory and its disk. It goes on as it was.
      </p>
      <div class="fields">
        <TextField label="How many" name="count" type="number" min={1} max={64} placeholder="1" />
        <TextField label="Names" name="names" placeholder="none" hint="One for each, with spaces between." />
      </div>
    </FormDialog>
  );
}

function SnapshotDialog({ vm, onClose }: Props) {
  return (
    <FormDialog
      title={`Take a snapshot of ${vmTitle(vm)}`}
      submit="Take the snapshot"
      doing="Writing it to the disk…"
      onClose={onClose}
      onSubmit={(form, signal) => snapshotVm(vm, textOf(form, "name"), signal)}
    >
      <p>It keeps what the VM is at this moment, memory and disk. The VM goes on as it was.</p>
      <TextField label="Name" name="name" required maxLength={128} autofocus />
    </FormDialog>
  );
}

function RenameDialog({ vm, onClose }: Props) {
  return (
    <FormDialog
      title={`Rename ${vmTitle(vm)}`}
      submit="Rename"
      onClose={onClose}
      onSubmit={(form, signal) => renameVm(vm.id, textOf(form, "name"), signal)}
    >
      <TextField label="Name" name="name" required maxLength={128} defaultValue={vm.name ?? ""} autofocus />
    </FormDialog>
  );
}

function StopDialog({ vm, onClose }: Props) {
  return (
    <FormDialog
      title={`Stop ${vmTitle(vm)}?`}
      submit="Stop"
      doing="Stopping…"
      danger
      onClose={onClose}
      onSubmit={() => turnVm(vm.id, "stop")}
    >
      <p>
        Its programs end and its memory is lost. What it wrote to its disk stays, and “Start” boots it from
        there.
      </p>
      <p class="quiet">“Pause” keeps programs and memory.</p>
    </FormDialog>
  );
}

function RemoveDialog({ vm, onClose }: Props) {
  return (
    <FormDialog
      title={`Remove ${vmTitle(vm)}?`}
      submit="Remove"
      doing="Removing…"
      danger
      onClose={onClose}
      onSubmit={(_, signal) => removeVm(vm.id, signal)}
    >
      <p>
        Its programs end, and its memory and its disk are lost for good. Snapshots that were taken of it stay,
        and so do VMs that were forked from it.
      </p>
    </FormDialog>
  );
}

const DIALOGS = {
  fork: ForkDialog,
  snapshot: SnapshotDialog,
  rename: RenameDialog,
  change: ChangeDialog,
  stop: StopDialog,
  remove: RemoveDialog,
} as const;

/** The dialog of something that is done with a VM. */
export function VmDialog({ kind, ...rest }: Props & { kind: VmDialogKind }) {
  const Body = DIALOGS[kind];
  return <Body {...rest} />;
}
