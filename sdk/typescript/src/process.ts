// Programs that are talked to while they run.

import type { Bytes } from "./bytes.js";
import { type Command, program, type ProgramOptions, surroundings } from "./exec.js";
import type { Api } from "./http/api.js";
import { type Signal, signalNumber } from "./signals.js";
import { ProgramSocket } from "./socket.js";
import type { CallOptions, ExecExit, TerminalSize } from "./types.js";

/** What a program wrote. */
export interface Output {
  stream: "stdout" | "stderr";
  data: Uint8Array;
}

/** How to start a program that is talked to. Without `timeoutMs` it runs until it ends or is left. */
export interface SpawnOptions extends ProgramOptions {
  /** Whether it gets standard input; without, it reads none. Default true. */
  stdin?: boolean | undefined;
  /** Run it on a terminal of this size; standard error is then part of standard output. */
  tty?: TerminalSize | undefined;
  /** How many bytes of each output stream are sent; all when absent. The rest is thrown away, and told. */
  outputLimitBytes?: number | undefined;
}

/** How to open a terminal. */
export interface TerminalOptions extends CallOptions, Partial<TerminalSize> {
  /** A command line for `/bin/sh -c`; a shell when absent. */
  command?: string | undefined;
  /** The working directory; the image's when absent, else `/`. */
  cwd?: string | undefined;
  /** `name`, `uid`, `name:group` or `uid:gid`; the image's when absent, else root. */
  user?: string | undefined;
  /** The variable TERM; `xterm-256color` when absent. */
  term?: string | undefined;
}

/** A program that runs in a VM for as long as its caller stays. */
abstract class Running<T> implements AsyncIterable<T>, AsyncDisposable {
  protected readonly socket: ProgramSocket;

  protected constructor(socket: ProgramSocket) {
    this.socket = socket;
  }

  /** How it ended; undefined while it runs, and while output waits to be read before its end. */
  get exit(): ExecExit | undefined {
    return this.socket.exit;
  }

  /**
   * Gives it input. Waits while the program does not read; a program that waits for its output to be read does not, so read
   * that meanwhile. What is written to one that has ended goes nowhere.
   *
   * @throws {@link ThawConnectionError} when the connection is gone.
   */
  write(data: Bytes): Promise<void> {
    return this.socket.write(data);
  }

  /** Sends a signal to its process group. */
  signal(signal: Signal): Promise<void> {
    return this.socket.control({ type: "signal", signal: signalNumber(signal) });
  }

  /** Gives its terminal another size, each 1 to 1000 cells. */
  resize({ cols, rows }: TerminalSize): Promise<void> {
    return this.socket.control({ type: "resize", cols, rows });
  }

  /**
   * Waits for its end, and throws away the output that nobody has read.
   *
   * @throws {@link ThawError} when it could not be started or was lost.
   */
  wait(): Promise<ExecExit> {
    return this.socket.wait();
  }

  /** Leaves. A program that still runs is ended. */
  close(): Promise<void> {
    return this.socket.close();
  }

  /** What it writes, until it ends. Stopping to read leaves the program as it is; read on with another loop. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: async () => {
        const message = await this.socket.next();
        return message === undefined ? { done: true, value: undefined } : { value: this.read(message) };
      },
    };
  }

  /** Leaves. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  protected abstract read(message: Uint8Array): T;
}

/** A program with standard input. */
export class Process extends Running<Output> {
  /**
   * Starts one; {@link Vm.spawn} is the way to it.
   *
   * @internal
   */
  static async spawn(api: Api, id: string, command: Command, options: SpawnOptions): Promise<Process> {
    const { stdin = true, tty, signal, ...how } = options;
    const url = api.url("/v1/vms/{id}/exec/ws", { id });
    const socket = await ProgramSocket.connect(api, url, signal);
    await socket.control({ exec: { ...surroundings(how), ...program(command) }, stdin, tty });
    return new Process(socket);
  }

  /** Ends its standard input, after this if anything is given. */
  async end(data?: Bytes): Promise<void> {
    if (data !== undefined) await this.write(data);
    await this.socket.control({ type: "stdin_end" });
  }

  protected override read(message: Uint8Array): Output {
    // The first byte says which stream it is: 1 or 2.
    return { stream: message[0] === 2 ? "stderr" : "stdout", data: message.subarray(1) };
  }
}

/** A terminal in a VM. */
export class Terminal extends Running<Uint8Array> {
  /**
   * Opens one; {@link Vm.terminal} is the way to it.
   *
   * @internal
   */
  static async open(api: Api, id: string, options: TerminalOptions): Promise<Terminal> {
    const { signal, ...query } = options;
    const url = api.url("/v1/vms/{id}/terminal", { id }, query);
    return new Terminal(await ProgramSocket.connect(api, url, signal));
  }

  protected override read(message: Uint8Array): Uint8Array {
    return message;
  }
}
