/** Which VMs somebody looks for. */
import type { VmInfo } from "../../api/types";

/** Whether each word is found in the VM's name, id, image, state or metadata. */
export function matches(vm: VmInfo, words: string): boolean {
  const hay = [vm.name ?? "", vm.id, vm.image, vm.state, JSON.stringify(vm.metadata)].join(" ").toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => hay.includes(word));
}
