/** Tar archives (POSIX ustar) of a few small files, for code that is written in the browser. */

const BLOCK = 512;

function field(block: Uint8Array, at: number, text: string): void {
  block.set(new TextEncoder().encode(text), at);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function header(name: string, size: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  field(block, 0, name);
  field(block, 100, octal(0o755, 7));
  field(block, 108, octal(0, 7));
  field(block, 116, octal(0, 7));
  field(block, 124, octal(size, 11));
  field(block, 136, octal(0, 11));
  // The sum of all bytes, itself counted as spaces.
  field(block, 148, "        ");
  field(block, 156, "0");
  field(block, 257, "ustar\0");
  field(block, 263, "00");
  const sum = block.reduce((total, byte) => total + byte, 0);
  field(block, 148, `${octal(sum, 6)}\0 `);
  return block;
}

/**
 * An archive of one file.
 *
 * @throws When the name is longer than a header holds, which is 100 bytes.
 */
export function tarOf(name: string, text: string): Uint8Array<ArrayBuffer> {
  const content = new TextEncoder().encode(text);
  if (new TextEncoder().encode(name).length > 100) throw new Error("the file's name is too long");
  const padded = Math.ceil(content.length / BLOCK) * BLOCK;
  const archive = new Uint8Array(BLOCK + padded + 2 * BLOCK);
  archive.set(header(name, content.length));
  archive.set(content, BLOCK);
  return archive;
}
