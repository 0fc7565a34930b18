// Bytes and what they look like elsewhere.

/** Bytes that come one piece after the other. */
export type ByteStream = AsyncIterable<Uint8Array>;

/** Text, which becomes UTF-8, or bytes. */
export type Bytes = string | Uint8Array;

/** What is no UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Text as UTF-8. */
export function bytesOf(data: Bytes): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

/** All pieces in one. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((total, piece) => total + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** All of a stream. It is as large as its sender makes it. */
export async function collected(stream: ByteStream): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return joined(pieces);
}

/** Standard base64. */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Bytes out of standard base64. */
export function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}
