// A VM that stays.

import { BackgroundExec } from "./background.js";
import { collected, textOf } from "./bytes.js";
import { ThawError } from "./errors.js";
import {
  type Command,
  type ExecOptions,
  type ExecResult,
  program,
  type ProgramOptions,
  runInVm,
  surroundings,
} from "./exec.js";
import { Files } from "./files.js";
import type { Api } from "./http/api.js";
import { Process, type SpawnOptions, Terminal, type TerminalOptions } from "./process.js";
import type { CallOptions, Language, Schemas, SnapshotInfo, VmInfo, VmUsage } from "./types.js";

/** What to change about a VM; what is absent stays. */
export type VmChange = Schemas["ChangeVmRequest"];

/** What forks are to be like. */
export type ForkOptions = Schemas["ForkVmRequest"] & CallOptions;

/** VMs that were made of one, and how long it stood still for them. */
export interface Fork extends Omit<Schemas["ForkVmResponse"], "vms"> {
  /** The new VMs, in the order of their names. */
  vms: Vm[];
}

/** Which part of a console to read. */
export interface ConsoleOptions extends CallOptions {
  /** Only so many lines at its end; all that is kept (64 KiB) when absent. */
  tail?: number | undefined;
}

/** A VM. With `await using` it is deleted at the end of the block. */
export class Vm implements AsyncDisposable {
  /** What the server told last; {@link refresh} asks again. */
  info: VmInfo;
  /** Its files. */
  readonly files: Files;
  readonly #api: Api;

  /** @internal */
  constructor(api: Api, info: VmInfo) {
    this.#api = api;
    this.info = info;
    this.files = new Files(api, info.id);
  }

  /** Its id, which stays the same. */
  get id(): string {
    return this.info.id;
  }

  /** Its name, as far as is known; null without one. */
  get name(): string | null {
    return this.info.name ?? null;
  }

  /**
   * Runs a program to its end: a list of arguments, or one line for `/bin/sh -c`. Its exit code, signal or time limit is no
   * error.
   *
   * @throws {@link ThawError} when it could not be run: `program_not_found`, `vm_paused`, `vm_stopped` and so on.
   */
  exec(command: Command, options: ExecOptions = {}): Promise<ExecResult> {
    return runInVm(this.#api, this.id, program(command), options);
  }

  /** Runs code in a fork of the interpreter that waits in the VM, so each run starts from the same state. */
  runCode(language: Language, code: string, options: ExecOptions = {}): Promise<ExecResult> {
    return runInVm(this.#api, this.id, { language, code }, options);
  }

  /** Starts a program that is talked to while it runs. Whether it could be started shows when it is read or waited for. */
  spawn(command: Command, options: SpawnOptions = {}): Promise<Process> {
    return Process.spawn(this.#api, this.id, command, options);
  }

  /** Opens a terminal, 80 by 24 when no size is given, with a shell or a command line. */
  terminal(options: TerminalOptions = {}): Promise<Terminal> {
    return Terminal.open(this.#api, this.id, options);
  }

  /** Starts a program that outlives its caller. Without `timeoutMs` it runs until it ends; it has no standard input. */
  async startExec(command: Command, options: ProgramOptions = {}): Promise<BackgroundExec> {
    const body = { ...program(command), ...surroundings(options) };
    const call = { path: { id: this.id }, body, signal: options.signal };
    return new BackgroundExec(this.#api, this.id, await this.#api.json("post", "/v1/vms/{id}/execs", call));
  }

  /** The programs in its background, the oldest first: at most 64. */
  async execs({ signal }: CallOptions = {}): Promise<BackgroundExec[]> {
    const { execs } = await this.#api.json("get", "/v1/vms/{id}/execs", { path: { id: this.id }, signal });
    return execs.map((info) => new BackgroundExec(this.#api, this.id, info));
  }

  /** A program in its background, by its number. */
  async getExec(exec: number, { signal }: CallOptions = {}): Promise<BackgroundExec> {
    const call = { path: { id: this.id, exec }, signal };
    return new BackgroundExec(
      this.#api,
      this.id,
      await this.#api.json("get", "/v1/vms/{id}/execs/{exec}", call),
    );
  }

  /** Asks what it is like now. */
  async refresh({ signal }: CallOptions = {}): Promise<VmInfo> {
    return (this.info = await this.#api.json("get", "/v1/vms/{id}", { path: { id: this.id }, signal }));
  }

  /** Stops its CPUs; its memory and programs stay. Requests into it are refused until it is resumed. */
  async pause({ signal }: CallOptions = {}): Promise<VmInfo> {
    return (this.info = await this.#api.json("post", "/v1/vms/{id}/pause", {
      path: { id: this.id },
      signal,
    }));
  }

  /** Lets it go on. */
  async resume({ signal }: CallOptions = {}): Promise<VmInfo> {
    return (this.info = await this.#api.json("post", "/v1/vms/{id}/resume", {
      path: { id: this.id },
      signal,
    }));
  }

  /** Powers it off. What runs in it ends; its disk stays. */
  async stop({ signal }: CallOptions = {}): Promise<VmInfo> {
    return (this.info = await this.#api.json("post", "/v1/vms/{id}/stop", { path: { id: this.id }, signal }));
  }

  /** Boots it from its disk, and waits until it can be used. */
  async start({ signal }: CallOptions = {}): Promise<VmInfo> {
    return (this.info = await this.#api.json("post", "/v1/vms/{id}/start", {
      path: { id: this.id },
      signal,
    }));
  }

  /** Gives it a name that no other VM has. */
  rename(name: string, options: CallOptions = {}): Promise<VmInfo> {
    return this.update({ name }, options);
  }

  /** Changes its name, metadata or times: all of what is given, or nothing and an error. */
  async update(change: VmChange, { signal }: CallOptions = {}): Promise<VmInfo> {
    const call = { path: { id: this.id }, body: change, signal };
    return (this.info = await this.#api.json("patch", "/v1/vms/{id}", call));
  }

  /** Makes VMs that begin where it is now: its programs, memory and disk. All of them, or none. It goes on. */
  async fork({ signal, ...body }: ForkOptions = {}): Promise<Fork> {
    const call = { path: { id: this.id }, body, signal };
    const fork = await this.#api.json("post", "/v1/vms/{id}/fork", call);
    return { ...fork, vms: fork.vms.map((info) => new Vm(this.#api, info)) };
  }

  /** Keeps what it is at this moment under a name. It goes on. */
  snapshot(
    name: string,
    { metadata, signal }: CallOptions & { metadata?: Record<string, unknown> | undefined } = {},
  ): Promise<SnapshotInfo> {
    const call = { path: { id: this.id }, body: { name, metadata }, signal };
    return this.#api.json("post", "/v1/vms/{id}/snapshot", call);
  }

  /** What it uses. Asking is no use of it: one that sleeps sleeps on, and has no `guest` figures. */
  usage({ signal }: CallOptions = {}): Promise<VmUsage> {
    return this.#api.json("get", "/v1/vms/{id}/usage", { path: { id: this.id }, signal });
  }

  /** What it said on its console, as far as it is kept. */
  async logs({ tail, signal }: ConsoleOptions = {}): Promise<string> {
    const call = { path: { id: this.id }, query: { tail }, signal };
    return textOf(await collected((await this.#api.raw("get", "/v1/vms/{id}/logs", call)).body));
  }

  /** What it said on its console, and what it says next, until it ends. */
  async *followLogs({ tail, signal }: ConsoleOptions = {}): AsyncGenerator<Uint8Array> {
    const call = { path: { id: this.id }, query: { tail, follow: true }, signal };
    yield* (await this.#api.raw("get", "/v1/vms/{id}/logs", call)).body;
  }

  /** Where a server on a port of the VM answers, through Thaw. Requests there need the API key, as a Bearer token. */
  portUrl(port: number, path = "/"): string {
    const root = this.#api.url("/v1/vms/{id}/ports/{port}", { id: this.id, port });
    return `${root.href}/${path.replace(/^\//, "")}`;
  }

  /** Ends what runs in it, and removes it. Snapshots of it stay. */
  async delete({ signal }: CallOptions = {}): Promise<void> {
    await this.#api.json("delete", "/v1/vms/{id}", { path: { id: this.id }, signal });
  }

  /** Deletes it. One that is gone already is no error. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.delete();
    } catch (error) {
      if (!(error instanceof ThawError && error.code === "vm_not_found")) throw error;
    }
  }
}
