/** A screen and the session behind it, for as long as a view shows them. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { address, call } from "../../../api/client";
import { describe, type Problem } from "../../../api/error";
import { tellProblem } from "../../../state/notices";
import type { Screen } from "./screen";
import { TerminalSession, type TerminalSize, type TerminalState } from "./session";

/** Its code is a file of its own, which a newer server no longer has. */
function tellOutdated(): void {
  tellProblem(new Error("the terminal could not be loaded; load this page again"));
}

interface ShownTerminal {
  element: (element: HTMLDivElement | null) => void;
  state: TerminalState;
  reconnect: () => void;
}

function endOf(state: TerminalState): string | null {
  if (state.kind === "lost") return `[${state.problem.message}]`;
  if (state.kind !== "ended") return null;
  const { end } = state;
  if (end.type === "error") return `[${end.error.message}]`;
  return end.signal ? `[ended by signal ${end.signal}]` : `[ended with ${end.exit_code ?? "no exit code"}]`;
}

/** Why a terminal could not be had, as far as the VM's state tells. */
async function whyRefused(id: string): Promise<Problem> {
  try {
    const vm = await call("get", "/v1/vms/{id}", { path: { id } });
    if (vm.state === "stopped") return { message: "the VM is stopped", hint: "start it first" };
    if (vm.paused_by === "request") return { message: "the VM is paused", hint: "resume it first" };
    return { message: "the server refused the terminal", hint: "its log says why; another try may do" };
  } catch (error) {
    return describe(error);
  }
}

function socketAddress(id: string, { cols, rows }: TerminalSize): string {
  return address("get", "/v1/vms/{id}/terminal", { path: { id }, query: { cols, rows } });
}

/** Connects when there is an element to show it in; each `reconnect` is a new shell on the same screen. */
export function useTerminal(id: string): ShownTerminal {
  const [element, setElement] = useState<HTMLDivElement | null>(null);
  const [screen, setScreen] = useState<Screen | null>(null);
  const [state, setState] = useState<TerminalState>({ kind: "connecting" });
  const [round, setRound] = useState(0);
  const session = useRef<TerminalSession | null>(null);

  useEffect(() => {
    if (!element) return undefined;
    let gone = false;
    let opened: Screen | null = null;
    import("./screen").then(({ openScreen }) => {
      if (gone) return;
      opened = openScreen(element, {
        onTyped: (text) => session.current?.type(text),
        onResized: (size) => session.current?.resize(size),
      });
      setScreen(opened);
    }, tellOutdated);
    return () => {
      gone = true;
      opened?.dispose();
      setScreen(null);
    };
  }, [element]);

  useEffect(() => {
    if (!screen) return undefined;
    const connection = new TerminalSession(socketAddress(id, screen.size()), {
      explain: () => whyRefused(id),
      onOutput: screen.write,
      onState: (next) => {
        setState(next);
        const line = endOf(next);
        if (line !== null) screen.say(line);
        if (next.kind === "open") screen.focus();
      },
    });
    session.current = connection;
    return () => {
      connection.close();
      session.current = null;
    };
  }, [screen, id, round]);

  const reconnect = useCallback(() => {
    setRound((old) => old + 1);
  }, []);
  return { element: setElement, state, reconnect };
}
