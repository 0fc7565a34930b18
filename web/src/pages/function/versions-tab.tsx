import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { FunctionInfo } from "../../api/types";
import { bytes, mib, shortDigest } from "../../lib/format";
import { useResource } from "../../state/resource";
import { Age } from "../../ui/age";
import { FormDialog } from "../../ui/form-dialog";
import { ResourceView } from "../../ui/resource-view";
import { functionChanged, functionChanges } from "../functions/function-calls";
import { Table } from "../../ui/table";

/** A function's versions, newest first. */
export function VersionsTab({ of: { name, newest, aliases } }: { of: FunctionInfo }) {
  const [removing, setRemoving] = useState<number | null>(null);
  const list = useResource(
    (signal) => call("get", "/v1/functions/{name}/versions", { path: { name }, signal }),
    [name],
    functionChanges,
  );
  const ledTo = (version: number) =>
    aliases.filter((alias) => String(version) in alias.versions).map((alias) => alias.name);
  return (
    <>
      <ResourceView of={list}>
        {({ versions }) => (
          <Table
            columns={[
              "Version",
              "Aliases",
              ["Runs", "wide-only"],
              ["Image", "wide-only"],
              ["Memory", "wide-only"],
              ["Code", "end"],
              "Age",
            ]}
            actions
          >
            {versions.toReversed().map((each) => (
              <tr key={each.version}>
                <th scope="row" class="number">
                  {each.version}
                </th>
                <td>
                  {[...(each.version === newest.version ? ["(newest)"] : []), ...ledTo(each.version)].join(
                    ", ",
                  )}
                </td>
                <td class="wide-only mono">{each.handler ?? each.command?.join(" ")}</td>
                <td class="wide-only">
                  {each.image} <span class="quiet mono">{shortDigest(each.image_digest ?? "")}</span>
                </td>
                <td class="wide-only number">{mib(each.memory_mib)}</td>
                <td class="end number" title={`SHA-256 ${each.code_sha256}`}>
                  {bytes(each.code_bytes)}
                </td>
                <td class="number">
                  <Age at={each.created_at_ms} />
                </td>
                <td class="end">
                  {each.version !== newest.version && (
                    <button
                      type="button"
                      aria-label={`Remove version ${each.version}`}
                      onClick={() => {
                        setRemoving(each.version);
                      }}
                    >
                      Remove…
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </ResourceView>
      {removing !== null && (
        <FormDialog
          title={`Remove version ${removing} of ${name}?`}
          submit="Remove"
          danger
          onClose={() => {
            setRemoving(null);
          }}
          onSubmit={async (_, signal) => {
            await call("delete", "/v1/functions/{name}/versions/{version}", {
              path: { name, version: removing },
              signal,
            });
            functionChanged();
          }}
        >
          <p>Its code and its frozen machine are lost. One that an alias leads to is not removed.</p>
        </FormDialog>
      )}
    </>
  );
}
