// VMs that stay: making and finding them.

import type { Api } from "./http/api.js";
import { pages } from "./http/pages.js";
import type { CallOptions, Schemas, WorkOptions } from "./types.js";
import { Vm } from "./vm.js";

/** What a VM is to be like: one of `image`, `template` and `snapshot`, and what else is given. */
export type CreateVmOptions = Schemas["CreateVmRequest"] & WorkOptions;

/** Which VMs to list; all when empty. */
export interface VmFilter extends CallOptions {
  /** What they do. */
  state?: Schemas["VmState"] | undefined;
  /** The name, exactly. */
  name?: string | undefined;
  /** The image: as it was asked for, or the digest. */
  image?: string | undefined;
  /** Each of its keys is in the metadata with an equal value. */
  metadata?: Record<string, unknown> | undefined;
}

/** VMs that stay. */
export class Vms {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * Makes a VM. It is awake when this returns, and stays until it is deleted. Giving the call up makes none.
   *
   * With `onProgress` an image and its template are made first where they are missing, however long that takes; without, that
   * counts as waiting for the VM (`startTimeoutMs`, default 60,000), beyond which the answer is `image_building` or
   * `template_baking`, and the work goes on.
   */
  async create({ onProgress, signal, ...body }: CreateVmOptions): Promise<Vm> {
    const { image, vcpus, memoryMib } = body;
    if (onProgress !== undefined && typeof image === "string") {
      const template = { image, vcpus, memoryMib };
      await this.#api.work("post", "/v1/templates", { body: template, onProgress, signal });
    }
    return new Vm(this.#api, await this.#api.json("post", "/v1/vms", { body, signal }));
  }

  /**
   * The VM of this id or name, or whose id begins so.
   *
   * @throws {@link ThawError} `vm_not_found`, `vm_ambiguous`.
   */
  async get(id: string, { signal }: CallOptions = {}): Promise<Vm> {
    return new Vm(this.#api, await this.#api.json("get", "/v1/vms/{id}", { path: { id }, signal }));
  }

  /** Those that fit, newest first. They are asked for by pages, as far as they are read. */
  async *list({ metadata, signal, ...filter }: VmFilter = {}): AsyncGenerator<Vm> {
    const wanted = { ...filter, metadata: metadata && JSON.stringify(metadata) };
    const page = (cursor: string | undefined) =>
      this.#api.json("get", "/v1/vms", { query: { ...wanted, cursor }, signal });
    for await (const { vms } of pages(page)) for (const info of vms) yield new Vm(this.#api, info);
  }
}
