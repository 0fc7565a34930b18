import { useState } from "preact/hooks";
import type { VmInfo } from "../../../api/types";
import { Asleep, isAwake } from "../asleep";
import { BackgroundPanel } from "./background-panel";
import { CommandPanel } from "./command-panel";

/** Programs in a VM: one at a time with its output, and those in the background. */
export function RunTab({ vm }: { vm: VmInfo }) {
  const [wake, setWake] = useState(false);
  if (isAwake(vm) || (wake && vm.paused_by === "idle")) {
    return (
      <div class="stack" key={vm.id}>
        <CommandPanel id={vm.id} />
        <BackgroundPanel id={vm.id} />
      </div>
    );
  }
  return (
    <Asleep
      vm={vm}
      what="its programs"
      onWake={() => {
        setWake(true);
      }}
    />
  );
}
