// Events that a function serves later: queued, done, or dead.

import type { Api } from "./http/api.js";
import type { CallOptions, FunctionEvent, Schemas } from "./types.js";

/** Which events to list. */
export interface EventFilter extends CallOptions {
  /** Where they are; default `dead`: those that were given up. */
  state?: Schemas["FunctionEventState"] | undefined;
  /** The newest so many: 1 to 1000, default 100. */
  limit?: number | undefined;
}

/** Events of functions; {@link Functions.invokeAsync} queues them. */
export class FunctionEvents {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /** A function's events of a state, newest first, without what they hold and what came of them. */
  async list(name: string, { signal, ...query }: EventFilter = {}): Promise<FunctionEvent[]> {
    const call = { path: { name }, query, signal };
    return (await this.#api.json("get", "/v1/functions/{name}/events", call)).events;
  }

  /** One event, with what it holds and what came of it. */
  get(name: string, id: string, { signal }: CallOptions = {}): Promise<FunctionEvent> {
    return this.#api.json("get", "/v1/functions/{name}/events/{id}", { path: { name, id }, signal });
  }

  /** Queues a dead event again. */
  retry(name: string, id: string, { signal }: CallOptions = {}): Promise<FunctionEvent> {
    return this.#api.json("post", "/v1/functions/{name}/events/{id}/retry", { path: { name, id }, signal });
  }

  /** Forgets an event. */
  async delete(name: string, id: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#api.json("delete", "/v1/functions/{name}/events/{id}", { path: { name, id }, signal });
  }
}
