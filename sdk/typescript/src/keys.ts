// API keys. All of it needs the scope `admin`.

import type { Api } from "./http/api.js";
import type { CallOptions, CreatedKey, KeyInfo, Schemas } from "./types.js";

/** A key to make. */
export type KeyOptions = Omit<Schemas["CreateKeyRequest"], "name"> & CallOptions;

/** API keys. */
export class Keys {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /** All of them, by name. */
  async list({ signal }: CallOptions = {}): Promise<KeyInfo[]> {
    return (await this.#api.json("get", "/v1/keys", { signal })).keys;
  }

  /** Makes one. The key itself is in this answer and nowhere else. */
  create(name: string, { signal, ...options }: KeyOptions): Promise<CreatedKey> {
    return this.#api.json("post", "/v1/keys", { body: { name, ...options }, signal });
  }

  /** Revokes one, by its id or name. It is worth nothing from then on. */
  async revoke(id: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#api.json("delete", "/v1/keys/{id}", { path: { id }, signal });
  }
}
