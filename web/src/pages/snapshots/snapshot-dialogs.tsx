import { call } from "../../api/client";
import type { SnapshotInfo } from "../../api/types";
import { snapshotChanges } from "../../state/live";
import { TextField } from "../../ui/field";
import { FormDialog, textOf } from "../../ui/form-dialog";

interface Props {
  snapshot: SnapshotInfo;
  onClose: () => void;
}

export function RenameSnapshotDialog({ snapshot: { id, name }, onClose }: Props) {
  return (
    <FormDialog
      title={`Rename ${name}`}
      submit="Rename"
      onClose={onClose}
      onSubmit={async (form, signal) => {
        await call("patch", "/v1/snapshots/{id}", {
          path: { id },
          body: { name: textOf(form, "name") },
          signal,
        });
        snapshotChanges.value += 1;
      }}
    >
      <TextField label="Name" name="name" required maxLength={128} defaultValue={name} autofocus />
    </FormDialog>
  );
}

export function RemoveSnapshotDialog({ snapshot: { id, name }, onClose }: Props) {
  return (
    <FormDialog
      title={`Remove the snapshot ${name}?`}
      submit="Remove"
      doing="Removing…"
      danger
      onClose={onClose}
      onSubmit={async (_, signal) => {
        await call("delete", "/v1/snapshots/{id}", { path: { id }, signal });
        snapshotChanges.value += 1;
      }}
    >
      <p>The moment that it keeps is lost for good. VMs that were restored from it go on.</p>
    </FormDialog>
  );
}
