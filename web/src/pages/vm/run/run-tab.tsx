import type { VmInfo } from "../../../api/types";
import { Asleep } from "../asleep";
import { useWanted } from "../use-wanted";
import { BackgroundPanel } from "./background-panel";
import { CommandPanel } from "./command-panel";

/** Programs in a VM: one at a time with its output, and those in the background. */
export function RunTab({ vm }: { vm: VmInfo }) {
  const { wanted, usable, want } = useWanted(vm);
  if (!wanted || !usable) return <Asleep vm={vm} what="its programs" onWake={want} />;
  return (
    <div class="stack" key={vm.id}>
      <CommandPanel id={vm.id} />
      <BackgroundPanel id={vm.id} />
    </div>
  );
}
