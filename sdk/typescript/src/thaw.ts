// The client: one server, and everything that it offers.

import { type Command, type ExecResult, type FreshExecOptions, program, runFresh } from "./exec.js";
import { Functions } from "./functions.js";
import { Api } from "./http/api.js";
import { Images } from "./images.js";
import { Keys } from "./keys.js";
import { follow, type Lifecycle, type LifecycleOptions } from "./lifecycle.js";
import { Pools } from "./pools.js";
import { Snapshots } from "./snapshots.js";
import { Templates } from "./templates.js";
import type { CallOptions, Language, Schemas, Whoami } from "./types.js";
import { Vms } from "./vms.js";

const DEFAULT_SERVER = "http://127.0.0.1:8000";

/** Which server to talk to, and as whom. */
export interface ThawOptions {
  /** Its address; the environment's THAW_SERVER when absent, else `http://127.0.0.1:8000`. */
  server?: string | undefined;
  /** An API key; the environment's THAW_API_KEY when absent, else none. */
  apiKey?: string | undefined;
}

/** An image's name or digest, or a template's id. */
export type ImageOrTemplate = string | { template: string };

/**
 * A client of a Thaw server.
 *
 * Every call throws {@link ThawError} for what the server refuses or can't do, {@link ThawConnectionError} when it is not reached,
 * and the reason of the call's `signal` when that aborts. Nothing is tried twice. What a program does is no error.
 */
export class Thaw {
  /** VMs that stay. */
  readonly vms: Vms;
  /** Snapshots of them. */
  readonly snapshots: Snapshots;
  /** Code that is frozen after its initialisation, and given events. */
  readonly functions: Functions;
  /** Root file systems. */
  readonly images: Images;
  /** Machines that are frozen when they are ready. */
  readonly templates: Templates;
  /** How many clones of a template are kept parked. */
  readonly pools: Pools;
  /** API keys. */
  readonly keys: Keys;
  readonly #api: Api;

  /** @throws TypeError for an address that is none of HTTP, or a key that no header can hold. */
  constructor(options: ThawOptions = {}) {
    const server = options.server ?? variable("THAW_SERVER") ?? DEFAULT_SERVER;
    const apiKey = options.apiKey ?? variable("THAW_API_KEY");
    this.#api = new Api(server, apiKey);
    this.vms = new Vms(this.#api);
    this.snapshots = new Snapshots(this.#api);
    this.functions = new Functions(this.#api);
    this.images = new Images(this.#api);
    this.templates = new Templates(this.#api);
    this.pools = new Pools(this.#api);
    this.keys = new Keys(this.#api);
  }

  /** The server's address. */
  get server(): string {
    return this.#api.server;
  }

  /**
   * Runs a program in a fresh VM, which is gone afterwards: a list of arguments, one line for `/bin/sh -c`, or when absent the
   * image's ENTRYPOINT and CMD.
   *
   * @throws {@link ThawError} when it could not be run: `program_not_found`, `image_not_found`, `pool_full` and so on.
   */
  exec(from: ImageOrTemplate, command?: Command, options: FreshExecOptions = {}): Promise<ExecResult> {
    const what = command === undefined ? {} : program(command);
    return runFresh(this.#api, { ...origin(from), ...what }, options);
  }

  /**
   * Runs code in the interpreter that waits in a fresh VM, which is gone afterwards. Its image is the one that is named like the
   * language, unless `from` names another, or a template.
   *
   * @throws {@link ThawError} when it could not be run: `no_interpreter`, `image_not_found`, `pool_full` and so on.
   */
  runCode(
    language: Language,
    code: string,
    { from = language, ...options }: FreshExecOptions & { from?: ImageOrTemplate | undefined } = {},
  ): Promise<ExecResult> {
    return runFresh(this.#api, { ...origin(from), language, code }, options);
  }

  /** Follows what happens to VMs and snapshots, until the call is given up or the server stops. */
  events(options: LifecycleOptions = {}): AsyncGenerator<Lifecycle> {
    return follow(this.#api, options);
  }

  /** Whether the server answers, and its version. */
  health({ signal }: CallOptions = {}): Promise<Schemas["Health"]> {
    return this.#api.json("get", "/healthz", { signal });
  }

  /** Who one is to the server, and what one may do. */
  whoami({ signal }: CallOptions = {}): Promise<Whoami> {
    return this.#api.json("get", "/v1/session", { signal });
  }
}

/** A variable of the environment; one that is empty is not set. */
function variable(name: string): string | undefined {
  const value = process.env[name];
  return value === "" ? undefined : value;
}

function origin(from: ImageOrTemplate): { image: string } | { template: string } {
  return typeof from === "string" ? { image: from } : from;
}
