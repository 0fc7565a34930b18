import { call } from "../../api/client";
import type { FunctionInfo } from "../../api/types";
import { useResource } from "../../state/resource";
import { functionChanges } from "../functions/function-calls";

interface Props {
  of: FunctionInfo;
  value: string | null;
  onChange: (qualifier: string | null) => void;
}

/** Which version is meant: the newest, an alias, or one by its number. */
export function QualifierField({ of: { name, aliases }, value, onChange }: Props) {
  const versions = useResource(
    (signal) => call("get", "/v1/functions/{name}/versions", { path: { name }, signal }),
    [name],
    functionChanges,
  );
  return (
    <select
      aria-label="Version or alias"
      value={value ?? ""}
      onChange={({ currentTarget }) => {
        onChange(currentTarget.value === "" ? null : currentTarget.value);
      }}
    >
      <option value="">the newest version</option>
      {aliases.map((alias) => (
        <option key={alias.name} value={alias.name}>
          alias {alias.name}
        </option>
      ))}
      {versions.data?.versions.map(({ version }) => (
        <option key={version} value={String(version)}>
          version {version}
        </option>
      ))}
    </select>
  );
}
