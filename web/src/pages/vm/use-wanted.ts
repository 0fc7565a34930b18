/** Whether somebody wants to be inside of a VM. */
import { useState } from "preact/hooks";
import type { VmInfo } from "../../api/types";

export interface Wanted {
  /** It was awake since the view is there, or is to be woken. What is shown of it then stays when it falls asleep. */
  wanted: boolean;
  /** It can be used now: awake, or asleep so that a request wakes it. */
  usable: boolean;
  want: () => void;
}

/** A VM that is awake may be used at once, one that sleeps only when somebody asks for it. */
export function useWanted(vm: VmInfo): Wanted {
  const [wanted, setWanted] = useState(vm.state === "running");
  if (!wanted && vm.state === "running") setWanted(true);
  const usable = vm.state === "running" || (vm.state === "paused" && vm.paused_by === "idle");
  return {
    wanted,
    usable,
    want: () => {
      setWanted(true);
    },
  };
}
