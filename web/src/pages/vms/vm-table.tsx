import type { VmInfo } from "../../api/types";
import { mib, shortDigest } from "../../lib/format";
import { Age } from "../../ui/age";
import { Link } from "../../ui/link";
import { StateBadge } from "../../ui/state-badge";
import { vmAddress } from "./vm-calls";
import { VmControls } from "./vm-controls";
import { Table } from "../../ui/table";

/** VMs, one a row. */
export function VmTable({ vms }: { vms: readonly VmInfo[] }) {
  return (
    <Table
      columns={[
        "VM",
        "State",
        ["Image", "wide-only"],
        ["Memory", "wide-only"],
        ["CPUs", "wide-only"],
        ["Age", "wide-only"],
      ]}
      actions
    >
      {vms.map((vm) => (
        <tr key={vm.id}>
          <th scope="row">
            <Link href={vmAddress(vm.id)}>{vm.name ?? vm.id}</Link>
            {vm.name && <div class="quiet mono">{vm.id}</div>}
          </th>
          <td>
            <StateBadge vm={vm} />
          </td>
          <td class="wide-only">{shortDigest(vm.image)}</td>
          <td class="wide-only number">{mib(vm.memory_mib)}</td>
          <td class="wide-only number">{vm.vcpus}</td>
          <td class="wide-only number">
            <Age at={vm.created_at * 1000} />
          </td>
          <td class="end">
            <VmControls vm={vm} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
