import { call } from "../../api/client";
import type { CreatedKey, Scope } from "../../api/types";
import { parseCount } from "../../lib/pairs";
import { TextField } from "../../ui/field";
import { FormDialog, textOf } from "../../ui/form-dialog";

const SCOPES: readonly [Scope, string][] = [
  ["read", "look"],
  ["invoke", "run programs, terminals and functions; files of VMs"],
  ["manage", "make, change and remove everything but keys; implies invoke and read"],
  ["admin", "everything"],
];

interface Props {
  onCreated: (key: CreatedKey) => void;
  onClose: () => void;
}

/** Makes a key. */
export function CreateKeyDialog({ onCreated, onClose }: Props) {
  return (
    <FormDialog
      title="Make a key"
      submit="Make it"
      onClose={onClose}
      onSubmit={async (form, signal) => {
        const days = parseCount(textOf(form, "days"), "the number of days");
        const scopes = SCOPES.map(([scope]) => scope).filter((scope) => form.has(`scope-${scope}`));
        if (scopes.length === 0) throw new Error("choose one scope at least");
        const body = {
          name: textOf(form, "name"),
          scopes,
          ...(days === undefined ? {} : { expires_in_s: days * 86_400 }),
        };
        onCreated(await call("post", "/v1/keys", { body, signal }));
      }}
    >
      <div class="fields">
        <TextField label="Name" name="name" required maxLength={128} autofocus />
        <TextField label="Expires after (days)" name="days" type="number" min={1} placeholder="never" />
        <fieldset class="whole">
          <legend>Scopes</legend>
          {SCOPES.map(([scope, meaning]) => (
            <label key={scope} class="scope">
              <input type="checkbox" name={`scope-${scope}`} defaultChecked={scope === "invoke"} />{" "}
              <b>{scope}</b> <span class="quiet">{meaning}</span>
            </label>
          ))}
        </fieldset>
      </div>
    </FormDialog>
  );
}
