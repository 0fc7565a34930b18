import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { AuditEntry } from "../../api/types";
import { moment } from "../../lib/format";
import { useResource } from "../../state/resource";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { Table } from "../../ui/table";

const PAGE = 100;

function Row({ entry }: { entry: AuditEntry }) {
  return (
    <tr>
      <td class="nowrap number">{moment(entry.at_ms)}</td>
      <th scope="row">
        {entry.who}
        <div class="quiet mono wide-only">{entry.address}</div>
      </th>
      <td class="mono">{entry.action}</td>
      <td class="mono wide-only">{entry.target}</td>
      <td>
        <span class={`badge ${entry.status < 400 ? "good" : "bad"}`}>{entry.status}</span>
      </td>
      <td class="mono wide-only">{entry.request_id}</td>
    </tr>
  );
}

/** What was done and what was refused, a page at a time. */
export function AuditPage() {
  /** Where each page that was turned to begins; the newest begins nowhere. */
  const [befores, setBefores] = useState<readonly number[]>([]);
  const before = befores.at(-1);
  const page = useResource(
    (signal) =>
      call("get", "/v1/audit", {
        query: before === undefined ? { limit: PAGE } : { limit: PAGE, before },
        signal,
      }),
    [before],
  );
  return (
    <Page
      title="Audit log"
      actions={
        <button type="button" onClick={page.reload}>
          Reload
        </button>
      }
    >
      <ResourceView of={page}>
        {({ entries, next_before: next }) => (
          <>
            <Table columns={["When", "Who", "What", ["To", "wide-only"], "Status", ["Request", "wide-only"]]}>
              {entries.map((entry) => (
                <Row key={entry.seq} entry={entry} />
              ))}
            </Table>
            <div class="bar">
              <button
                type="button"
                disabled={befores.length === 0}
                onClick={() => {
                  setBefores(befores.slice(0, -1));
                }}
              >
                Newer
              </button>
              <button
                type="button"
                disabled={typeof next !== "number"}
                onClick={() => {
                  if (typeof next === "number") setBefores([...befores, next]);
                }}
              >
                Older
              </button>
            </div>
          </>
        )}
      </ResourceView>
    </Page>
  );
}
