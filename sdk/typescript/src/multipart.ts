// A form with a description as JSON and the bytes that it describes (RFC 7578).

import { randomUUID } from "node:crypto";

import { bytesOf, joined } from "./bytes.js";

/** A part of a form. */
export interface Part {
  name: string;
  type: string;
  data: Uint8Array;
  /** Parts with a file name are files. */
  fileName?: string;
}

/** A whole form, and the media type that names its boundary. */
export function form(parts: readonly Part[]): { type: string; data: Uint8Array } {
  const boundary = `thaw-${randomUUID()}`;
  const pieces = parts.flatMap(({ name, type, data, fileName }) => {
    const file = fileName === undefined ? "" : `; filename="${fileName}"`;
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\nContent-Type: ${type}\r\n\r\n`;
    return [bytesOf(head), data, bytesOf("\r\n")];
  });
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    data: joined([...pieces, bytesOf(`--${boundary}--\r\n`)]),
  };
}
