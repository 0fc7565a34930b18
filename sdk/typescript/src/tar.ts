// Files as a tar archive (POSIX.1-1988 ustar), enough for the code of a function.

import { type Bytes, bytesOf, joined } from "./bytes.js";

const BLOCK_BYTES = 512;
const MODE = 0o644;

/** Files by their names, such as `{"app.py": "def handle(event, context): …"}`. */
export type FileTree = Readonly<Record<string, Bytes>>;

/**
 * An archive of the files, all with mode 0644 and no time, so that the same files make the same archive.
 *
 * @throws TypeError for a name that is empty or has more than 100 bytes.
 */
export function tarOf(files: FileTree): Uint8Array {
  const blocks = Object.entries(files).flatMap(([name, content]) => {
    const bytes = bytesOf(content);
    return [header(name, bytes.length), bytes, new Uint8Array(padding(bytes.length))];
  });
  return joined([...blocks, new Uint8Array(2 * BLOCK_BYTES)]);
}

function header(name: string, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  const put = (at: number, text: string): void => {
    block.set(bytesOf(text), at);
  };
  const length = bytesOf(name).length;
  if (length < 1 || length > 100) throw new TypeError(`${JSON.stringify(name)}: a name has 1 to 100 bytes`);
  put(0, name);
  put(100, octal(MODE, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(size, 11));
  put(136, octal(0, 11));
  put(148, " ".repeat(8));
  put(156, "0");
  put(257, "ustar\0" + "00");
  // The sum of the header's bytes, taken with spaces in its own place.
  put(
    148,
    octal(
      block.reduce((sum, byte) => sum + byte, 0),
      6,
    ) + "\0 ",
  );
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function padding(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}
