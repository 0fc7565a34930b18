// Templates: machines that are frozen when they are ready.

import type { Api } from "./http/api.js";
import type { CallOptions, Schemas, TemplateInfo, WorkOptions } from "./types.js";

/** A template's shape: `memoryMib` (default 256) and `vcpus` (default 1). */
export type TemplateOptions = Omit<Schemas["EnsureTemplateRequest"], "image"> & WorkOptions;

/** Templates, by their ids. */
export class Templates {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /** All of them. */
  async list({ signal }: CallOptions = {}): Promise<TemplateInfo[]> {
    return (await this.#api.json("get", "/v1/templates", { signal })).templates;
  }

  /** Finds one. */
  get(id: string, { signal }: CallOptions = {}): Promise<TemplateInfo> {
    return this.#api.json("get", "/v1/templates/{id}", { path: { id }, signal });
  }

  /** Bakes one where it is missing, and makes its image where that is missing. A bake goes on when the call is given up. */
  ensure(image: string, { onProgress, signal, ...shape }: TemplateOptions = {}): Promise<TemplateInfo> {
    return this.#api.work("post", "/v1/templates", { body: { image, ...shape }, onProgress, signal });
  }

  /** Removes one that nothing uses (`template_in_use`). */
  async delete(id: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#api.json("delete", "/v1/templates/{id}", { path: { id }, signal });
  }
}
