import type { VmInfo } from "../../../api/types";
import { Asleep } from "../asleep";
import { useWanted } from "../use-wanted";
import type { TerminalState } from "./session";
import { useTerminal } from "./use-terminal";

const SAID: Record<TerminalState["kind"], string> = {
  connecting: "Connecting…",
  open: "Connected. Ctrl-Shift-C copies what is selected, Ctrl-Shift-V pastes.",
  ended: "The program has ended.",
  lost: "Not connected:",
};

function OpenTerminal({ id }: { id: string }) {
  const { element, state, reconnect } = useTerminal(id);
  const over = state.kind === "ended" || state.kind === "lost";
  return (
    <>
      <div class="bar terminal-bar">
        <span class="quiet" role="status">
          {SAID[state.kind]}
          {state.kind === "lost" && ` ${state.problem.message}. ${state.problem.hint ?? ""}`}
        </span>
        {over && (
          <button type="button" class="primary" onClick={reconnect}>
            Reconnect
          </button>
        )}
      </div>
      <div ref={element} class="screen" aria-label="Terminal" role="group" />
    </>
  );
}

/** A shell in the VM. Leaving the page ends it; a VM that is paused under it keeps it. */
export function TerminalTab({ vm }: { vm: VmInfo }) {
  const { wanted, want } = useWanted(vm);
  if (wanted) return <OpenTerminal key={vm.id} id={vm.id} />;
  return <Asleep vm={vm} what="a terminal" onWake={want} />;
}
