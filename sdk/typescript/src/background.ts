// Programs in the background of a VM.

import { brokenOff } from "./errors.js";
import { pieceOf } from "./exec.js";
import type { Api } from "./http/api.js";
import type { Output } from "./process.js";
import { type Signal, signalNumber } from "./signals.js";
import type { BackgroundInfo, CallOptions, Schemas } from "./types.js";

/** What is no longer kept of a program's output: who reads too late misses the oldest. */
export interface Missed {
  stream: "missed";
  stdoutBytes: number;
  stderrBytes: number;
}

/** From where on to read, in bytes since the program's start; as far as it is kept. Default 0. */
export interface FollowOptions extends CallOptions {
  stdoutFrom?: number | undefined;
  stderrFrom?: number | undefined;
}

/** A program that belongs to its VM: it outlives whoever started it, and the server. */
export class BackgroundExec {
  /** What the server told last; {@link refresh} asks again. */
  info: BackgroundInfo;
  readonly #api: Api;
  readonly #vm: string;

  /** @internal */
  constructor(api: Api, vm: string, info: BackgroundInfo) {
    this.#api = api;
    this.#vm = vm;
    this.info = info;
  }

  /** Its number in its VM. */
  get id(): number {
    return this.info.id;
  }

  /** Asks how it is now. */
  async refresh({ signal }: CallOptions = {}): Promise<BackgroundInfo> {
    const call = { path: this.#path, signal };
    return (this.info = await this.#api.json("get", "/v1/vms/{id}/execs/{exec}", call));
  }

  /**
   * What it wrote, as far as it is kept (the last 128 KiB of each stream), and what it writes next, until it ends. Nobody slows
   * it down by not reading: what was not read in time is told as `missed`. Giving the call up leaves the program as it is.
   */
  async *output({ stdoutFrom, stderrFrom, signal }: FollowOptions = {}): AsyncGenerator<Output | Missed> {
    const query = { stdoutFrom, stderrFrom, encoding: "base64" as const };
    const call = { path: this.#path, query, signal };
    for await (const event of this.#api.events("get", "/v1/vms/{id}/execs/{exec}/output", call)) {
      if (event.name === "exec") {
        this.info = event.data as BackgroundInfo;
        return;
      }
      if (event.name === "missed") yield { stream: "missed", ...(event.data as Schemas["MissedOutput"]) };
      if (event.name === "stdout") yield { stream: "stdout", data: pieceOf(event) };
      if (event.name === "stderr") yield { stream: "stderr", data: pieceOf(event) };
    }
    throw brokenOff(this.#api.server, "the program runs on");
  }

  /** Waits for its end. */
  async wait({ signal }: CallOptions = {}): Promise<BackgroundInfo> {
    // Only what is written from now on is sent, and thrown away.
    const { stdout, stderr } = await this.refresh({ signal });
    const from = { stdoutFrom: stdout.writtenBytes, stderrFrom: stderr.writtenBytes };
    const output = this.output({ ...from, signal });
    while ((await output.next()).done !== true);
    return this.info;
  }

  /** Sends a signal to its process group; one that has ended is left as it is. */
  async signal(number: Signal, { signal }: CallOptions = {}): Promise<void> {
    const call = { path: this.#path, body: { signal: signalNumber(number) }, signal };
    this.info = await this.#api.json("post", "/v1/vms/{id}/execs/{exec}/signal", call);
  }

  /** Forgets it; one that runs is killed first. Returns how it ended. */
  async remove({ signal }: CallOptions = {}): Promise<BackgroundInfo> {
    const call = { path: this.#path, signal };
    return (this.info = await this.#api.json("delete", "/v1/vms/{id}/execs/{exec}", call));
  }

  get #path(): { id: string; exec: number } {
    return { id: this.#vm, exec: this.info.id };
  }
}
