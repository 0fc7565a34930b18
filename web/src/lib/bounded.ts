/** Buffers that forget their oldest when they are full. */

/** A list with a new first entry, and at most `limit` of them. */
export function prepend<T>(list: readonly T[], entry: T, limit: number): T[] {
  return [entry, ...list.slice(0, limit - 1)];
}

/** Text with more at its end, cut at its beginning to `limit` characters, at a line's start where there is one. */
export function appendText(text: string, more: string, limit: number): string {
  const whole = text + more;
  if (whole.length <= limit) return whole;
  const kept = whole.slice(whole.length - limit);
  const line = kept.indexOf("\n");
  return line >= 0 && line < limit / 2 ? kept.slice(line + 1) : kept;
}
