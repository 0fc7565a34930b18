// Files of a VM.

import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { type Bytes, bytesOf, type ByteStream, collected, fromBase64, textOf, toBase64 } from "./bytes.js";
import type { GuestPath } from "./http/address.js";
import type { Api } from "./http/api.js";
import type { CallOptions, FileInfo, Schemas } from "./types.js";

/** Which part of a file to read. */
export interface ReadOptions extends CallOptions {
  /** Where to begin, in bytes; default 0. */
  offset?: number | undefined;
  /** How many bytes at most; to the end when absent. */
  length?: number | undefined;
}

/** How to write a file. */
export interface WriteOptions extends CallOptions {
  /** Permissions in octal, such as `0755`; those of the file that is there, else `0644`. */
  mode?: string | undefined;
  /** Add to what is there. Default false: replace it, in one step when all has come. */
  append?: boolean | undefined;
  /** Make missing folders on the way. Default false. */
  parents?: boolean | undefined;
}

/**
 * Files of a VM, as root sees them. Paths are absolute; as bytes where they are not UTF-8. A VM that sleeps for want of use is
 * woken.
 *
 * Every call throws {@link ThawError}, with `file_not_found`, `is_a_directory`, `guest_disk_full` and so on.
 */
export class Files {
  readonly #api: Api;
  readonly #id: string;

  /** @internal */
  constructor(api: Api, id: string) {
    this.#api = api;
    this.#id = id;
  }

  /** A file's content. It is as large as the file, or as `length`. */
  async read(path: GuestPath, options: ReadOptions = {}): Promise<Uint8Array> {
    return collected(await this.#content(path, options));
  }

  /** A file's content as text; what is no UTF-8 becomes U+FFFD. */
  async readText(path: GuestPath, options: ReadOptions = {}): Promise<string> {
    return textOf(await this.read(path, options));
  }

  /** A file's content as it comes, read as fast as it is asked for. */
  async *readStream(path: GuestPath, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    yield* await this.#content(path, options);
  }

  /** Writes a file. One that is cut off, or whose stream throws, changes nothing. */
  write(
    path: GuestPath,
    content: Bytes | ByteStream,
    { mode, append, parents, signal }: WriteOptions = {},
  ): Promise<FileInfo> {
    const query = { path: named(path), mode, append, parents };
    const data = typeof content === "string" ? bytesOf(content) : content;
    const call = {
      path: { id: this.#id },
      query,
      content: { type: "application/octet-stream", data },
      signal,
    };
    return this.#api.json("put", "/v1/vms/{id}/files/content", call);
  }

  /** Copies a file of this machine into the VM. `mode` is not taken from it. */
  upload(localPath: string, path: GuestPath, options: WriteOptions = {}): Promise<FileInfo> {
    return this.write(path, contentOf(localPath), options);
  }

  /** Copies a file of the VM to this machine. What is there is replaced when all has come, and not before. */
  async download(path: GuestPath, localPath: string, options: CallOptions = {}): Promise<void> {
    const content = await this.#content(path, options);
    const part = `${localPath}.${randomUUID()}.part`;
    try {
      await pipeline(Readable.from(content, { objectMode: false }), createWriteStream(part, { flags: "wx" }));
      await rename(part, localPath);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  /** What a path names. A link is shown itself; with a slash after it, what it leads to. */
  async stat(path: GuestPath, { signal }: CallOptions = {}): Promise<FileInfo> {
    const call = { path: { id: this.#id }, query: { path: named(path), limit: 0 }, signal };
    return (await this.#api.json("get", "/v1/vms/{id}/files", call)).file;
  }

  /** The entries of a folder, in the order of their names' bytes; of what is no folder, itself. Asked for by pages. */
  async *list(path: GuestPath, { signal }: CallOptions = {}): AsyncGenerator<FileInfo> {
    let after: GuestPath | undefined;
    for (;;) {
      const query = { path: named(path), after: after === undefined ? undefined : named(after) };
      const call = { path: { id: this.#id }, query, signal };
      const page = await this.#api.json("get", "/v1/vms/{id}/files", call);
      yield* page.entries ?? [page.file];
      const last = page.entries?.at(-1);
      if (page.more !== true || last === undefined) return;
      after = typeof last.nameBase64 === "string" ? fromBase64(last.nameBase64) : last.name;
    }
  }

  /** Makes a folder; `mode` in octal, default `0755`. With `parents` it may be there, and so may those on the way not be. */
  mkdir(
    path: GuestPath,
    { mode, parents, signal }: Pick<WriteOptions, "mode" | "parents" | "signal"> = {},
  ): Promise<FileInfo> {
    const where = typeof path === "string" ? { path } : { pathBase64: toBase64(path) };
    const call = { path: { id: this.#id }, body: { ...where, mode, parents }, signal };
    return this.#api.json("post", "/v1/vms/{id}/files/mkdir", call);
  }

  /** Moves a file or folder. Without `overwrite` what is at the new place is an error. */
  move(
    from: GuestPath,
    to: GuestPath,
    { overwrite, signal }: CallOptions & { overwrite?: boolean | undefined } = {},
  ): Promise<FileInfo> {
    const body: Schemas["MoveFileRequest"] = {
      ...(typeof from === "string" ? { from } : { fromBase64: toBase64(from) }),
      ...(typeof to === "string" ? { to } : { toBase64: toBase64(to) }),
      overwrite,
    };
    return this.#api.json("post", "/v1/vms/{id}/files/move", { path: { id: this.#id }, body, signal });
  }

  /** Removes a file or link, an empty folder, or with `recursive` a folder and all in it. */
  async remove(
    path: GuestPath,
    { recursive, signal }: CallOptions & { recursive?: boolean | undefined } = {},
  ): Promise<void> {
    const call = { path: { id: this.#id }, query: { path: named(path), recursive }, signal };
    await this.#api.json("delete", "/v1/vms/{id}/files", call);
  }

  /** A folder or file as a tar archive, as it comes. One that breaks off throws, and is not whole. */
  async *pack(path: GuestPath, { signal }: CallOptions = {}): AsyncGenerator<Uint8Array> {
    const call = { path: { id: this.#id }, query: { path: named(path) }, signal };
    yield* (await this.#api.raw("get", "/v1/vms/{id}/files/archive", call)).body;
  }

  /** Unpacks a tar archive, which is not compressed, into a folder. What is there stays unless the archive replaces it. */
  unpack(path: GuestPath, tar: Uint8Array | ByteStream, { signal }: CallOptions = {}): Promise<FileInfo> {
    const query = { path: named(path) };
    const content = { type: "application/x-tar", data: tar };
    const call = { path: { id: this.#id }, query, content, signal };
    return this.#api.json("put", "/v1/vms/{id}/files/archive", call);
  }

  async #content(path: GuestPath, { offset, length, signal }: ReadOptions): Promise<ByteStream> {
    const call = { path: { id: this.#id }, query: { path: named(path), offset, length }, signal };
    return (await this.#api.raw("get", "/v1/vms/{id}/files/content", call)).body;
  }
}

/** A file of this machine; it is opened when it is first read. */
async function* contentOf(localPath: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(localPath) as AsyncIterable<Buffer>;
}

/** A path as the types want it: docs/openapi.json says text, the API takes any bytes but NUL, and a query carries both. */
function named(path: GuestPath): string {
  return path as string;
}
