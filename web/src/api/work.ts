/** Long work that tells how it goes on: images, templates and deploys. */
import { followEvents } from "./stream";
import type { ProgressEvent } from "./types";

/**
 * Starts long work, tells its progress, and gives back what came of it.
 *
 * @throws {ApiError} When the API refuses or fails, and when the answer ends before the work does.
 */
export async function work<T>(
  url: string,
  init: RequestInit,
  onProgress: (progress: ProgressEvent) => void,
): Promise<T> {
  for await (const { event, data } of followEvents(url, init)) {
    if (event === "progress") onProgress(JSON.parse(data) as ProgressEvent);
    if (event === "done") return JSON.parse(data) as T;
  }
  throw new Error("the server broke off before the work was done");
}
