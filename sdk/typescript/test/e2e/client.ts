import { randomUUID } from "node:crypto";

import { Thaw } from "../../src/index.js";

export const thaw = new Thaw({ server: process.env.THAW_URL });

/** What shows who asks, for requests beside the client. */
export const headers: Record<string, string> = process.env.THAW_API_KEY
  ? { authorization: `Bearer ${process.env.THAW_API_KEY}` }
  : {};

/** A name that no other run uses. */
export function fresh(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

/** Everything that a stream gives. */
export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** Reads until what was read contains `wanted`; the test's own time limit is the deadline. */
export async function until(output: AsyncIterable<Uint8Array>, wanted: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of output) {
    text += decoder.decode(piece, { stream: true });
    if (text.includes(wanted)) return text;
  }
  throw new Error(`it ended without ${JSON.stringify(wanted)}: ${JSON.stringify(text)}`);
}
