// Programs that run to their end.

import { type Bytes, fromBase64, joined, textOf, toBase64 } from "./bytes.js";
import { brokenOff } from "./errors.js";
import type { Api, ApiEvent } from "./http/api.js";
import type { CallOptions, ExecExit, Schemas, StartKind, TimingsUs } from "./types.js";

/** A program and its arguments, or one line for `/bin/sh -c`. */
export type Command = string | readonly string[];

/** How to run a program. */
export interface ProgramOptions extends CallOptions {
  /** Added to the environment of the image and the VM; these win. */
  env?: Record<string, string> | undefined;
  /** The working directory; the image's when absent, else `/`. */
  cwd?: string | undefined;
  /** `name`, `uid`, `name:group` or `uid:gid`; the image's when absent, else root. */
  user?: string | undefined;
  /** After how many milliseconds all that it started is killed: 1 to 3,600,000. */
  timeoutMs?: number | undefined;
  /** With a list of arguments: put the image's ENTRYPOINT in front of it, as `docker run` does. */
  useEntrypoint?: boolean | undefined;
}

/** Takes a piece of output. The next one waits until it returns; what it throws ends the program and the call. */
export type OnOutput = (piece: Uint8Array) => void | Promise<void>;

/** How to run a program to its end. `timeoutMs` is 30,000 when absent. Giving the call up ends the program. */
export interface ExecOptions extends ProgramOptions {
  /** Standard input; none when absent. */
  stdin?: Bytes | undefined;
  /** How many bytes of each output stream are taken: 0 to 1 GiB, default 10 MiB. The rest is thrown away, and told. */
  outputLimitBytes?: number | undefined;
  /** Given standard output as it comes. */
  onStdout?: OnOutput | undefined;
  /** Given standard error as it comes. */
  onStderr?: OnOutput | undefined;
  /** Whether the result holds the output; false leaves it to the callbacks alone. Default true. */
  collect?: boolean | undefined;
}

/** How to run a program in a VM of its own. */
export interface FreshExecOptions extends ExecOptions {
  /** The VM's memory in MiB: 128 to 65,536, default 256. */
  memoryMib?: number | undefined;
  /** The VM's CPUs: 1 to 32, default 1. */
  vcpus?: number | undefined;
  /** How long to wait for a VM, in milliseconds: 1 to 3,600,000, default 60,000. */
  startTimeoutMs?: number | undefined;
}

/** How a program ended, and what it wrote. */
export class ExecResult implements ExecExit {
  /** Its exit code, 0 to 255; null when a signal ended it. */
  readonly exitCode: number | null;
  /** The signal that ended it; null when it ended by itself. */
  readonly signal: number | null;
  /** It was killed because `timeoutMs` was up. */
  readonly timedOut: boolean;
  /** More standard output came than `outputLimitBytes`; that is lost. */
  readonly stdoutTruncated: boolean;
  /** More standard error came than `outputLimitBytes`; that is lost. */
  readonly stderrTruncated: boolean;
  /** The VM that it ran in. */
  readonly vmId: string;
  /** How that VM came to be. */
  readonly start: StartKind;
  /** Where the time went, in microseconds. */
  readonly timingsUs: TimingsUs;
  /** What the guest says of its part, in microseconds. */
  readonly guestUs: Schemas["GuestUs"];
  /** Standard output, byte for byte. */
  readonly stdoutBytes: Uint8Array;
  /** Standard error, byte for byte. */
  readonly stderrBytes: Uint8Array;

  constructor(exit: ExecExit, stdout: Uint8Array, stderr: Uint8Array) {
    this.exitCode = exit.exitCode ?? null;
    this.signal = exit.signal ?? null;
    this.timedOut = exit.timedOut;
    this.stdoutTruncated = exit.stdoutTruncated;
    this.stderrTruncated = exit.stderrTruncated;
    this.vmId = exit.vmId;
    this.start = exit.start;
    this.timingsUs = exit.timingsUs;
    this.guestUs = exit.guestUs;
    this.stdoutBytes = stdout;
    this.stderrBytes = stderr;
  }

  /** Standard output as text; what is no UTF-8 becomes U+FFFD. */
  get stdout(): string {
    return textOf(this.stdoutBytes);
  }

  /** Standard error as text; what is no UTF-8 becomes U+FFFD. */
  get stderr(): string {
    return textOf(this.stderrBytes);
  }

  /** Whether it ended by itself, in time, with 0. */
  get ok(): boolean {
    return this.exitCode === 0 && !this.timedOut;
  }
}

type Program = Pick<Schemas["VmExecRequest"], "argv" | "command" | "language" | "code">;

/** The fields of a request that say what to run. */
export function program(command: Command): Program {
  return typeof command === "string" ? { command } : { argv: [...command] };
}

/** The fields of a request that say how to run it. */
export function surroundings(options: ExecOptions): Schemas["VmExecRequest"] {
  const { env, cwd, user, timeoutMs, useEntrypoint, stdin, outputLimitBytes } = options;
  const input = stdin instanceof Uint8Array ? { stdinBase64: toBase64(stdin) } : { stdin };
  return { env, cwd, user, timeoutMs, useEntrypoint, outputLimitBytes, ...input };
}

/** Runs a program in a VM of its own. */
export function runFresh(
  api: Api,
  what: Program & Pick<Schemas["ExecRequest"], "image" | "template">,
  options: FreshExecOptions,
): Promise<ExecResult> {
  const { memoryMib, vcpus, startTimeoutMs } = options;
  const how = { ...surroundings(options), memoryMib, vcpus, startTimeoutMs };
  const body = { ...what, ...how, encoding: "base64" as const };
  return outcome(api, api.events("post", "/v1/exec", { body, signal: options.signal }), options);
}

/** Runs a program in a VM that is there. */
export function runInVm(api: Api, id: string, what: Program, options: ExecOptions): Promise<ExecResult> {
  const body = { ...what, ...surroundings(options), encoding: "base64" as const };
  const call = { path: { id }, body, signal: options.signal };
  return outcome(api, api.events("post", "/v1/vms/{id}/exec", call), options);
}

/** A piece of output, of an event `stdout` or `stderr`. */
export function pieceOf(event: ApiEvent): Uint8Array {
  const { data, encoding } = event.data as Schemas["OutputChunk"];
  return encoding === "base64" ? fromBase64(data) : new TextEncoder().encode(data);
}

async function outcome(api: Api, events: AsyncIterable<ApiEvent>, options: ExecOptions): Promise<ExecResult> {
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  const collect = options.collect ?? true;
  for await (const event of events) {
    if (event.name === "exit") {
      return new ExecResult(event.data as ExecExit, joined(stdout), joined(stderr));
    }
    if (event.name !== "stdout" && event.name !== "stderr") continue;
    const isOutput = event.name === "stdout";
    const piece = pieceOf(event);
    if (collect) (isOutput ? stdout : stderr).push(piece);
    await (isOutput ? options.onStdout : options.onStderr)?.(piece);
  }
  throw brokenOff(api.server, "the program has been ended, too");
}
