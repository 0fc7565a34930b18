import type { VmInfo } from "../../api/types";
import { mib, shortDigest } from "../../lib/format";
import { Age } from "../../ui/age";
import { Link } from "../../ui/link";
import { StateBadge } from "../../ui/state-badge";
import { vmAddress } from "./vm-calls";
import { VmControls } from "./vm-controls";

/** VMs, one a row. */
export function VmTable({ vms }: { vms: readonly VmInfo[] }) {
  return (
    <div class="table">
      <table>
        <thead>
          <tr>
            <th>VM</th>
            <th>State</th>
            <th class="wide-only">Image</th>
            <th class="wide-only">Memory</th>
            <th class="wide-only">CPUs</th>
            <th class="wide-only">Age</th>
            <th>
              <span class="hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
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
        </tbody>
      </table>
    </div>
  );
}
