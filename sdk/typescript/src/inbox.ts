// What has come and was not yet read, within a bound.
//
//   open ──► ended      all that came before is still read, then the end
//     └────► failed     the same, then the error

/** How much waits before whoever fills it is asked to wait, in bytes. */
const FULL_BYTES = 1 << 20;

/** A queue between one who brings pieces and one who reads them. */
export class Inbox {
  readonly #pieces: Uint8Array[] = [];
  readonly #onFull: (full: boolean) => void;
  #bytes = 0;
  #full = false;
  #end: { error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** `onFull` is told when more waits than should, and when that is over. */
  constructor(onFull: (full: boolean) => void) {
    this.#onFull = onFull;
  }

  /** Takes a piece; nothing once it has ended. */
  push(piece: Uint8Array): void {
    if (this.#end !== undefined) return;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    this.#tell();
    this.#wake?.();
  }

  /** Nothing comes any more. */
  finish(): void {
    this.#end ??= {};
    this.#wake?.();
  }

  /** Nothing comes any more, for this reason. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  /** Why nothing comes any more, where that is an error. */
  get failure(): unknown {
    return this.#end?.error;
  }

  /** Throws away what waits. */
  clear(): void {
    this.#pieces.length = 0;
    this.#bytes = 0;
    this.#tell();
  }

  /** The next piece; undefined at the end. One reader at a time. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#bytes -= piece.length;
        this.#tell();
        return piece;
      }
      if (this.#end !== undefined) {
        if ("error" in this.#end) throw this.#end.error;
        return undefined;
      }
      if (this.#wake !== undefined) throw new Error("this output is being read already");
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }

  #tell(): void {
    const full = this.#bytes > FULL_BYTES;
    if (full === this.#full) return;
    this.#full = full;
    this.#onFull(full);
  }
}
