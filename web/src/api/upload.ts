/** Uploads with progress, which `fetch` can't tell. */
import { errorOfText } from "./error";
import { toLogin } from "./login";

export interface Transfer {
  sent: number;
  total: number;
}

/**
 * Sends a file as the body of a PUT.
 *
 * @throws {ApiError} When the API refuses; an `AbortError` when `signal` says so.
 */
export function upload(
  url: string,
  body: Blob,
  onProgress: (transfer: Transfer) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    const abort = () => {
      request.abort();
    };
    signal.addEventListener("abort", abort, { once: true });
    request.upload.onprogress = ({ loaded, total }) => {
      onProgress({ sent: loaded, total });
    };
    request.onload = () => {
      if (request.status === 401) void toLogin();
      else if (request.status < 300) resolve();
      else reject(errorOfText(request.status, request.responseText));
    };
    request.onerror = () => {
      reject(new TypeError("network error while uploading"));
    };
    request.onabort = () => {
      reject(new DOMException("the upload was given up", "AbortError"));
    };
    request.onloadend = () => {
      signal.removeEventListener("abort", abort);
    };
    request.open("PUT", url);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(body);
  });
}
