import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { CreatedKey, KeyInfo } from "../../api/types";
import { useResource } from "../../state/resource";
import { Age, Until } from "../../ui/age";
import { CopyButton } from "../../ui/copy-button";
import { Dialog } from "../../ui/dialog";
import { Empty } from "../../ui/empty";
import { FormDialog } from "../../ui/form-dialog";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { CreateKeyDialog } from "./create-key-dialog";
import { Table } from "../../ui/table";

function SecretDialog({ created, onClose }: { created: CreatedKey; onClose: () => void }) {
  return (
    <Dialog title={`The key ${created.name}`} onClose={onClose}>
      <p>This is the only time that it is shown. Keep it where nobody else reads it.</p>
      <pre class="secret" data-secret>
        {created.key}
      </pre>
      <footer>
        <CopyButton text={created.key} label="Copy" />
        <button type="button" class="primary" onClick={onClose}>
          Done
        </button>
      </footer>
    </Dialog>
  );
}

function RevokeDialog({
  of: { id, name },
  onDone,
  onClose,
}: {
  of: KeyInfo;
  onDone: () => void;
  onClose: () => void;
}) {
  return (
    <FormDialog
      title={`Revoke the key ${name}?`}
      submit="Revoke"
      danger
      onClose={onClose}
      onSubmit={async (_, signal) => {
        await call("delete", "/v1/keys/{id}", { path: { id }, signal });
        onDone();
      }}
    >
      <p>It is worth nothing from then on, wherever it is used.</p>
    </FormDialog>
  );
}

function KeyTable({ keys, onRevoke }: { keys: readonly KeyInfo[]; onRevoke: (key: KeyInfo) => void }) {
  return (
    <Table
      columns={["Key", "Scopes", ["Age", "wide-only"], ["Last used", "wide-only"], ["Expires", "wide-only"]]}
      actions
    >
      {keys.map((key) => (
        <tr key={key.id}>
          <th scope="row">
            {key.name}
            <div class="quiet mono">{key.id}</div>
          </th>
          <td>{key.scopes.join(", ")}</td>
          <td class="wide-only">
            <Age at={key.created_at * 1000} />
          </td>
          <td class="wide-only">
            {key.last_used_at ? (
              <>
                <Age at={key.last_used_at * 1000} /> ago
              </>
            ) : (
              "never"
            )}
          </td>
          <td class="wide-only">{key.expires_at ? <Until at={key.expires_at * 1000} /> : "never"}</td>
          <td class="end">
            <button
              type="button"
              aria-label={`Revoke ${key.name}`}
              onClick={() => {
                onRevoke(key);
              }}
            >
              Revoke…
            </button>
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** API keys. */
export function KeysPage() {
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<CreatedKey | null>(null);
  const [revoking, setRevoking] = useState<KeyInfo | null>(null);
  const list = useResource((signal) => call("get", "/v1/keys", { signal }), []);
  return (
    <Page
      title="Keys"
      actions={
        <button
          type="button"
          class="primary"
          onClick={() => {
            setCreating(true);
          }}
        >
          Make a key
        </button>
      }
    >
      <ResourceView of={list}>
        {({ keys }) =>
          keys.length === 0 ? (
            <Empty command="thaw key create NAME --scope invoke">
              There are no keys. Make one here, or with:
            </Empty>
          ) : (
            <KeyTable keys={keys} onRevoke={setRevoking} />
          )
        }
      </ResourceView>
      {creating && (
        <CreateKeyDialog
          onCreated={(key) => {
            setCreated(key);
            list.reload();
          }}
          onClose={() => {
            setCreating(false);
          }}
        />
      )}
      {created && (
        <SecretDialog
          created={created}
          onClose={() => {
            setCreated(null);
          }}
        />
      )}
      {revoking && (
        <RevokeDialog
          of={revoking}
          onDone={list.reload}
          onClose={() => {
            setRevoking(null);
          }}
        />
      )}
    </Page>
  );
}
