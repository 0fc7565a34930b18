/** What can be done with a VM's files. */
import { address, call, demand } from "../../../api/client";
import { ApiError } from "../../../api/error";
import type { FileListing } from "../../../api/types";

/** Of a file so much is shown; all of it can be downloaded. */
export const SHOWN_BYTES = 256 * 1024;

export function contentAddress(id: string, path: string): string {
  return address("get", "/v1/vms/{id}/files/content", { path: { id }, query: { path } });
}

export function archiveAddress(id: string, path: string): string {
  return address("get", "/v1/vms/{id}/files/archive", { path: { id }, query: { path } });
}

export function uploadAddress(id: string, path: string): string {
  return address("put", "/v1/vms/{id}/files/content", { path: { id }, query: { path } });
}

export function listFolder(
  id: string,
  path: string,
  limit: number,
  signal: AbortSignal,
): Promise<FileListing> {
  return call("get", "/v1/vms/{id}/files", { path: { id }, query: { path, limit }, signal });
}

export async function makeFolder(id: string, path: string, signal: AbortSignal): Promise<void> {
  await call("post", "/v1/vms/{id}/files/mkdir", { path: { id }, body: { path }, signal });
}

export async function moveFile(
  id: string,
  from: string,
  to: string,
  overwrite: boolean,
  signal: AbortSignal,
): Promise<void> {
  await call("post", "/v1/vms/{id}/files/move", { path: { id }, body: { from, to, overwrite }, signal });
}

export async function removeFile(
  id: string,
  path: string,
  recursive: boolean,
  signal: AbortSignal,
): Promise<void> {
  await call("delete", "/v1/vms/{id}/files", { path: { id }, query: { path, recursive }, signal });
}

/** Whether a link leads to a folder. */
export async function leadsToFolder(id: string, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { file } = await listFolder(id, `${path}/`, 0, signal);
    return file.kind === "directory";
  } catch (error) {
    if (error instanceof ApiError && error.detail.code === "not_a_directory") return false;
    throw error;
  }
}

export interface Beginning {
  /** Null where it is no text. */
  text: string | null;
  /** Whether there is more. */
  cut: boolean;
}

/** The beginning of a file as text. */
export async function readBeginning(id: string, path: string, signal: AbortSignal): Promise<Beginning> {
  const url = address("get", "/v1/vms/{id}/files/content", {
    path: { id },
    query: { path, offset: 0, length: SHOWN_BYTES + 1 },
  });
  const bytes = new Uint8Array(await (await demand(url, { signal })).arrayBuffer());
  const cut = bytes.length > SHOWN_BYTES;
  const shown = bytes.subarray(0, SHOWN_BYTES);
  return { text: shown.includes(0) ? null : new TextDecoder().decode(shown), cut };
}
