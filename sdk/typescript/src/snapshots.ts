// Snapshots of VMs.

import type { Api } from "./http/api.js";
import { pages } from "./http/pages.js";
import type { CallOptions, Schemas, SnapshotInfo } from "./types.js";
import { Vm } from "./vm.js";

/** What to change about a snapshot; what is absent stays. */
export type SnapshotChange = Schemas["ChangeSnapshotRequest"];

/** What a restored VM is to be like; its metadata and environment are the snapshot's when absent. */
export type RestoreOptions = Omit<Schemas["CreateVmRequest"], "image" | "template" | "snapshot"> &
  CallOptions;

/** Snapshots; {@link Vm.snapshot} takes them. One is named by its id, its name, or the beginning of its id. */
export class Snapshots {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /** Those whose metadata has each of these keys with an equal value, newest first, by pages. */
  async *list({
    metadata,
    signal,
  }: CallOptions & { metadata?: Record<string, unknown> | undefined } = {}): AsyncGenerator<SnapshotInfo> {
    const wanted = metadata && JSON.stringify(metadata);
    const page = (cursor: string | undefined) =>
      this.#api.json("get", "/v1/snapshots", { query: { metadata: wanted, cursor }, signal });
    for await (const { snapshots } of pages(page)) yield* snapshots;
  }

  /** Finds one. */
  get(id: string, { signal }: CallOptions = {}): Promise<SnapshotInfo> {
    return this.#api.json("get", "/v1/snapshots/{id}", { path: { id }, signal });
  }

  /** Makes a VM that begins where it was taken. */
  async restore(id: string, { signal, ...options }: RestoreOptions = {}): Promise<Vm> {
    const body = { ...options, snapshot: id };
    return new Vm(this.#api, await this.#api.json("post", "/v1/vms", { body, signal }));
  }

  /** Gives it a name that no other has; its id stays. */
  rename(id: string, name: string, options: CallOptions = {}): Promise<SnapshotInfo> {
    return this.update(id, { name }, options);
  }

  /** Changes its name or metadata: all of what is given, or nothing and an error. */
  update(id: string, change: SnapshotChange, { signal }: CallOptions = {}): Promise<SnapshotInfo> {
    return this.#api.json("patch", "/v1/snapshots/{id}", { path: { id }, body: change, signal });
  }

  /** Removes it. VMs that were restored from it go on. */
  async delete(id: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#api.json("delete", "/v1/snapshots/{id}", { path: { id }, signal });
  }
}
