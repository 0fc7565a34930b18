/**
 * One connection to a terminal in a VM.
 *
 *   connecting -> open -> ended (the program's end was told)
 *        |          |
 *        +----------+---> lost (the connection broke, or was refused)
 */
import type { SocketControl, SocketEnd } from "../../../api/types";
import type { Problem } from "../../../api/error";

export type TerminalState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "ended"; end: SocketEnd }
  | { kind: "lost"; problem: Problem };

export interface TerminalSize {
  cols: number;
  rows: number;
}

interface Listener {
  onOutput: (bytes: Uint8Array) => void;
  onState: (state: TerminalState) => void;
  /** Finds out why a connection was refused, which browsers don't say. */
  explain: () => Promise<Problem>;
}

export class TerminalSession {
  readonly #socket: WebSocket;
  readonly #listener: Listener;
  readonly #encoder = new TextEncoder();
  #settled = false;

  constructor(url: string, listener: Listener) {
    this.#listener = listener;
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    let opened = false;
    listener.onState({ kind: "connecting" });
    this.#socket.onopen = () => {
      opened = true;
      listener.onState({ kind: "open" });
    };
    this.#socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (typeof data === "string") this.#settle({ kind: "ended", end: JSON.parse(data) as SocketEnd });
      else listener.onOutput(new Uint8Array(data));
    };
    this.#socket.onclose = () => {
      if (this.#settled) return;
      if (opened) {
        this.#settle({ kind: "lost", problem: { message: "the connection to the terminal broke" } });
      } else {
        void listener.explain().then((problem) => {
          this.#settle({ kind: "lost", problem });
        });
      }
    };
  }

  #settle(state: TerminalState): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#listener.onState(state);
  }

  /** Sends what was typed; nothing where nobody reads it. */
  type(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(this.#encoder.encode(text));
  }

  resize(size: TerminalSize): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ type: "resize", ...size } satisfies SocketControl));
  }

  /** Leaves, which ends the program. */
  close(): void {
    this.#settled = true;
    this.#socket.close();
  }
}
