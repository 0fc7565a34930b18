// Code that is frozen after its initialisation, and given events.

import { bytesOf } from "./bytes.js";
import { FunctionEvents } from "./function-events.js";
import type { Api } from "./http/api.js";
import { toWire } from "./http/names.js";
import {
  invoke,
  invokeAsync,
  type InvokeOptions,
  type InvokeResult,
  type InvokeStream,
  invokeStream,
} from "./invoke.js";
import { form } from "./multipart.js";
import { type FileTree, tarOf } from "./tar.js";
import type {
  CallOptions,
  FunctionAlias,
  FunctionInfo,
  FunctionLog,
  FunctionVersion,
  Schemas,
  WorkOptions,
} from "./types.js";

/** A function to deploy: `python` and `node` want `handler`, `command` and `http` want `command`. */
export interface DeployOptions extends Omit<Schemas["DeployFunctionRequest"], "codeBase64">, WorkOptions {
  /**
   * A zip, tar or tar.gz of at most 50 MiB, or files by their names. Only a function of kind `lambda` may have its code in its
   * image instead.
   */
  code?: Uint8Array | FileTree | undefined;
}

/** Which logs to read. */
export interface LogOptions extends CallOptions {
  /** Only what follows this sequence number. */
  after?: number | undefined;
  /** Only that of this invocation. */
  requestId?: string | undefined;
  /** Only those of invocations that went wrong. */
  errors?: boolean | undefined;
  /** The newest so many of those that are there; default 100. */
  limit?: number | undefined;
}

/** Where an alias leads: versions and their weights, relative to each other. `{"3": 9, "4": 1}` gives version 4 a tenth. */
export type Weights = Record<string, number>;

/** Functions, by their names. Every call throws {@link ThawError} `function_not_found` for one that is not there. */
export class Functions {
  /** Events that are served later, or were. */
  readonly events: FunctionEvents;
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
    this.events = new FunctionEvents(api);
  }

  /** All of them, by name. */
  async list({ signal }: CallOptions = {}): Promise<FunctionInfo[]> {
    return (await this.#api.json("get", "/v1/functions", { signal })).functions;
  }

  /** Finds one. */
  get(name: string, { signal }: CallOptions = {}): Promise<FunctionInfo> {
    return this.#api.json("get", "/v1/functions/{name}", { path: { name }, signal });
  }

  /**
   * Deploys one, or another version of one that is there. It is initialised, frozen and tried when this returns. The work goes on
   * when the call is given up.
   *
   * @throws {@link ThawError} `function_init_failed`, whose message ends with what the function said itself, and
   * `code_invalid`, `code_too_large`. Nothing has changed then.
   */
  deploy({ code, onProgress, signal, ...wanted }: DeployOptions): Promise<FunctionInfo> {
    const work = { onProgress, signal };
    if (code === undefined) return this.#api.work("post", "/v1/functions", { body: wanted, ...work });
    const data = code instanceof Uint8Array ? code : tarOf(code);
    const description = bytesOf(JSON.stringify(toWire(wanted)));
    const content = form([
      { name: "function", type: "application/json", data: description },
      { name: "code", type: "application/octet-stream", data, fileName: "code" },
    ]);
    return this.#api.work("post", "/v1/functions", { content, ...work });
  }

  /**
   * Gives an event and waits for its result. Bytes are sent as they are, everything else as JSON, unless `contentType` says
   * otherwise. What the function does wrong is in `error`, and is not thrown.
   *
   * @throws {@link ThawError} `function_busy` (429) when it serves and queues as many as it may; `body_too_large` beyond 6 MiB.
   */
  invoke(name: string, event?: unknown, options: InvokeOptions = {}): Promise<InvokeResult> {
    return invoke(this.#api, name, event, options);
  }

  /** Gives an event and returns when the first piece of its result is there; the pieces come as the function makes them. */
  invokeStream(name: string, event?: unknown, options: InvokeOptions = {}): Promise<InvokeStream> {
    return invokeStream(this.#api, name, event, options);
  }

  /** Queues an event durably, and returns its id. It is served at least once, and tried up to three times. */
  invokeAsync(name: string, event?: unknown, options: InvokeOptions = {}): Promise<string> {
    return invokeAsync(this.#api, name, event, options);
  }

  /** Its logs, the oldest first; as far as they are kept. */
  async logs(name: string, { signal, ...query }: LogOptions = {}): Promise<FunctionLog[]> {
    const call = { path: { name }, query, signal };
    return (await this.#api.json("get", "/v1/functions/{name}/logs", call)).logs;
  }

  /** Its logs, those that are there and those that come, until the call is given up or the function removed. */
  async *followLogs(name: string, { signal, ...query }: LogOptions = {}): AsyncGenerator<FunctionLog> {
    const call = { path: { name }, query, signal };
    for await (const event of this.#api.events("get", "/v1/functions/{name}/logs", call)) {
      if (event.name === "log") yield event.data as FunctionLog;
    }
  }

  /** Its versions, the oldest first. */
  async versions(name: string, { signal }: CallOptions = {}): Promise<FunctionVersion[]> {
    return (await this.#api.json("get", "/v1/functions/{name}/versions", { path: { name }, signal }))
      .versions;
  }

  /** Makes an alias, or leads one elsewhere: to one version, or to several by weight. */
  alias(
    name: string,
    alias: string,
    to: number | Weights,
    { signal }: CallOptions = {},
  ): Promise<FunctionAlias> {
    const versions = typeof to === "number" ? { [to]: 1 } : to;
    const call = { path: { name, alias }, body: { versions }, signal };
    return this.#api.json("put", "/v1/functions/{name}/aliases/{alias}", call);
  }

  /** Leads an alias where it led before its last change; a second time undoes the first. */
  rollback(name: string, alias: string, { signal }: CallOptions = {}): Promise<FunctionAlias> {
    const call = { path: { name, alias }, signal };
    return this.#api.json("post", "/v1/functions/{name}/aliases/{alias}/rollback", call);
  }

  /** Removes an alias. */
  async deleteAlias(name: string, alias: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#api.json("delete", "/v1/functions/{name}/aliases/{alias}", { path: { name, alias }, signal });
  }

  /** Removes a version that is neither the newest nor one that an alias leads to (`function_version_in_use`). */
  async deleteVersion(name: string, version: number, { signal }: CallOptions = {}): Promise<void> {
    const call = { path: { name, version }, signal };
    await this.#api.json("delete", "/v1/functions/{name}/versions/{version}", call);
  }

  /** Where a function of kind `http` answers. Requests there need the API key, as a Bearer token. */
  url(name: string, path = "/"): string {
    const root = this.#api.url("/v1/functions/{name}/http", { name });
    return `${root.href}/${path.replace(/^\//, "")}`;
  }

  /** Removes it with all of its versions, aliases, logs and events. Events that it serves now are served to their end. */
  async delete(name: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#api.json("delete", "/v1/functions/{name}", { path: { name }, signal });
  }
}
