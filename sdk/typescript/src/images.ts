// Images: root file systems that VMs are made of.

import type { ByteStream } from "./bytes.js";
import type { Api } from "./http/api.js";
import type { CallOptions, ImageInfo, Schemas, WorkOptions } from "./types.js";

/** What an upload is. */
export type UploadKind = "oci-archive" | "docker-archive" | "rootfs" | "dockerfile";

/** How to make an image out of what the server can reach itself. */
export type AddImageOptions = Omit<Schemas["AddImageRequest"], "source"> & WorkOptions;

/** How to make an image out of an upload. */
export interface UploadImageOptions extends WorkOptions {
  /** Its name; one is made of the digest when absent. */
  name?: string | undefined;
}

/** Images. One is named by a name or its digest. */
export class Images {
  readonly #api: Api;

  /** @internal */
  constructor(api: Api) {
    this.#api = api;
  }

  /** All of them. */
  async list({ signal }: CallOptions = {}): Promise<ImageInfo[]> {
    return (await this.#api.json("get", "/v1/images", { signal })).images;
  }

  /** Finds one. */
  get(name: string, { signal }: CallOptions = {}): Promise<ImageInfo> {
    return this.#api.json("get", "/v1/images/{name}", { path: { name }, signal });
  }

  /**
   * Makes one of `docker:NAME`, `registry:REFERENCE` or `debian:SUITE+package,package`. Giving the call up gives the work up.
   *
   * @throws {@link ThawError} `image_not_found`, `image_access_denied`, `image_source_unavailable`, `image_failed`.
   */
  add(source: string, { onProgress, signal, ...options }: AddImageOptions = {}): Promise<ImageInfo> {
    return this.#api.work("post", "/v1/images", { body: { source, ...options }, onProgress, signal });
  }

  /** Makes one of the bytes of an archive, a root file system, or a Dockerfile: at most 20 GiB. */
  upload(
    kind: UploadKind,
    data: Uint8Array | ByteStream,
    { name, onProgress, signal }: UploadImageOptions = {},
  ): Promise<ImageInfo> {
    const content = { type: "application/octet-stream", data };
    return this.#api.work("post", "/v1/images", { query: { kind, name }, content, onProgress, signal });
  }

  /** Takes a name away. With its last one an image goes, unless something uses it (`image_in_use`). */
  async delete(name: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#api.json("delete", "/v1/images/{name}", { path: { name }, signal });
  }
}
