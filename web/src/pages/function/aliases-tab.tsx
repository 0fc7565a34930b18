import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { FunctionAlias, FunctionInfo } from "../../api/types";
import { parseWeights } from "../../lib/pairs";
import { useAction } from "../../state/action";
import { tellProblem } from "../../state/notices";
import { TextField } from "../../ui/field";
import { FormDialog, textOf } from "../../ui/form-dialog";
import { Menu } from "../../ui/menu";
import { functionChanged } from "../functions/function-calls";
import { Table } from "../../ui/table";

/** Versions and the part of the events that each is given: `version 3: 90 %`. */
export function shares(versions: Record<string, number>): string {
  const total = Object.values(versions).reduce((sum, weight) => sum + weight, 0);
  return Object.entries(versions)
    .map(([version, weight]) => `version ${version}: ${((weight / total) * 100).toFixed(0)} %`)
    .join(", ");
}

function weightsText(versions: Record<string, number>): string {
  return Object.entries(versions)
    .map(([version, weight]) => `${version}=${weight}`)
    .join(" ");
}

function AliasDialog({
  name,
  alias,
  onClose,
}: {
  name: string;
  alias: FunctionAlias | null;
  onClose: () => void;
}) {
  return (
    <FormDialog
      title={alias ? `Lead ${alias.name} elsewhere` : "A new alias"}
      submit="Set"
      onClose={onClose}
      onSubmit={async (form, signal) => {
        await call("put", "/v1/functions/{name}/aliases/{alias}", {
          path: { name, alias: alias?.name ?? textOf(form, "alias").trim() },
          body: { versions: parseWeights(textOf(form, "versions")) },
          signal,
        });
        functionChanged();
      }}
    >
      <div class="fields">
        {!alias && (
          <TextField label="Name" name="alias" required maxLength={64} placeholder="live" autofocus />
        )}
        <TextField
          label="Versions"
          name="versions"
          required
          defaultValue={alias ? weightsText(alias.versions) : ""}
          placeholder="3=9 4=1"
          hint="One version, or several with their weights: 3=9 4=1 gives version 4 a tenth."
        />
      </div>
    </FormDialog>
  );
}

function Row({ name, alias, onChange }: { name: string; alias: FunctionAlias; onChange: () => void }) {
  const action = useAction();
  const path = { name, alias: alias.name };
  const rollBack = () => {
    action.run(async () => {
      await call("post", "/v1/functions/{name}/aliases/{alias}/rollback", { path }).then(
        functionChanged,
        tellProblem,
      );
    });
  };
  const remove = () => {
    action.run(async () => {
      await call("delete", "/v1/functions/{name}/aliases/{alias}", { path }).then(
        functionChanged,
        tellProblem,
      );
    });
  };
  return (
    <tr>
      <th scope="row">{alias.name}</th>
      <td>{shares(alias.versions)}</td>
      <td class="wide-only quiet">{alias.previous ? shares(alias.previous) : "nowhere else"}</td>
      <td class="end">
        {alias.previous && (
          <button type="button" disabled={action.busy} onClick={rollBack}>
            Roll back
          </button>
        )}
        <Menu
          label={`More for ${alias.name}`}
          items={[
            { text: "Lead elsewhere…", onPick: onChange },
            { text: "Remove", danger: true, onPick: remove },
          ]}
        />
      </td>
    </tr>
  );
}

/** Names that lead to versions of a function. */
export function AliasesTab({ of: { name, aliases } }: { of: FunctionInfo }) {
  const [changing, setChanging] = useState<FunctionAlias | "new" | null>(null);
  return (
    <>
      <div class="bar">
        <button
          type="button"
          onClick={() => {
            setChanging("new");
          }}
        >
          New alias…
        </button>
      </div>
      {aliases.length === 0 ? (
        <div class="empty">
          <p>There are no aliases. One leads to a version, or to several by their weights.</p>
          <pre>thaw fn alias set {name} live 1</pre>
        </div>
      ) : (
        <Table columns={["Alias", "Leads to", ["Led to before", "wide-only"]]} actions>
          {aliases.map((alias) => (
            <Row
              key={alias.name}
              name={name}
              alias={alias}
              onChange={() => {
                setChanging(alias);
              }}
            />
          ))}
        </Table>
      )}
      {changing && (
        <AliasDialog
          name={name}
          alias={changing === "new" ? null : changing}
          onClose={() => {
            setChanging(null);
          }}
        />
      )}
    </>
  );
}
