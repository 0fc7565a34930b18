import type { SnapshotInfo } from "../../api/types";
import { bytes, micros, mib, shortDigest } from "../../lib/format";
import { Age } from "../../ui/age";
import { Menu } from "../../ui/menu";
import { Table } from "../../ui/table";

export interface SnapshotQuestion {
  kind: "restore" | "rename" | "remove";
  snapshot: SnapshotInfo;
}

interface Props {
  snapshots: readonly SnapshotInfo[];
  onAsk: (question: SnapshotQuestion) => void;
}

/** Snapshots, one a row. */
export function SnapshotTable({ snapshots, onAsk }: Props) {
  return (
    <Table
      columns={[
        "Snapshot",
        "Of",
        ["Image", "wide-only"],
        ["Shape", "wide-only"],
        ["On disk", "end wide-only"],
        ["VM stood still", "end wide-only"],
        ["Age", "wide-only"],
      ]}
      actions
    >
      {snapshots.map((snapshot) => {
        const ask = (kind: SnapshotQuestion["kind"]) => () => {
          onAsk({ kind, snapshot });
        };
        return (
          <tr key={snapshot.id}>
            <th scope="row">
              {snapshot.name}
              <div class="quiet mono">{snapshot.id}</div>
              {snapshot.unusable && <div class="badge bad">unusable: {snapshot.unusable}</div>}
            </th>
            <td>{snapshot.vm_name ?? snapshot.vm}</td>
            <td class="wide-only">{shortDigest(snapshot.image)}</td>
            <td class="wide-only">
              {mib(snapshot.memory_mib)}, {snapshot.vcpus} CPU
            </td>
            <td class="wide-only end number">{bytes(snapshot.disk_bytes)}</td>
            <td class="wide-only end number">{micros(snapshot.paused_us)}</td>
            <td class="wide-only number">
              <Age at={snapshot.created_at * 1000} />
            </td>
            <td class="end">
              <button type="button" onClick={ask("restore")}>
                Restore
              </button>
              <Menu
                label={`More for ${snapshot.name}`}
                items={[
                  { text: "Rename…", onPick: ask("rename") },
                  { text: "Remove…", danger: true, onPick: ask("remove") },
                ]}
              />
            </td>
          </tr>
        );
      })}
    </Table>
  );
}
