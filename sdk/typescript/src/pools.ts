// Pools: how many clones of a template are kept parked.

import type { Api } from "./http/api.js";
import type { CallOptions, PoolInfo, Schemas } from "./types.js";

/** A pool's bounds, and the template, or image and shape, that it belongs to. */
export type PoolBounds = Schemas["SetPoolRequest"];

/** Pools. */
export class Pools {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /** All of them. */
  async list({ signal }: CallOptions = {}): Promise<PoolInfo[]> {
    return (await this.#api.json("get", "/v1/pools", { signal })).pools;
  }

  /** Sets a pool's bounds. It is made where it is missing, as are its template and image. */
  set(bounds: PoolBounds, { signal }: CallOptions = {}): Promise<PoolInfo> {
    return this.#api.json("put", "/v1/pools", { body: bounds, signal });
  }
}
