import type { VmInfo } from "../../api/types";

interface Props {
  vm: VmInfo;
  what: string;
  /** Uses it although it sleeps, which wakes it. */
  onWake: () => void;
}

/** Why nothing can be done inside of a VM now. Looking at its page is not to wake one that sleeps. */
export function Asleep({ vm, what, onWake }: Props) {
  if (vm.state === "paused" && vm.paused_by === "idle") {
    return (
      <div class="empty">
        <p>The VM sleeps because nobody used it.</p>
        <button type="button" onClick={onWake}>
          Wake it for {what}
        </button>
      </div>
    );
  }
  return (
    <div class="empty">
      <p>
        The VM is {vm.state}. {vm.state === "stopped" ? "Start" : "Resume"} it for {what}.
      </p>
    </div>
  );
}
