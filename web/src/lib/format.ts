/** Numbers and times as people read them. */

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** Bytes in the unit that fits: `34.2 MiB`. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < BINARY.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${BINARY[unit] ?? "B"}`;
}

/** MiB in the unit that fits. */
export function mib(count: number): string {
  return bytes(count * 1024 * 1024);
}

/** Microseconds in the unit that fits: `860 µs`, `12.4 ms`, `3.7 s`. */
export function micros(us: number): string {
  if (us < 1000) return `${us.toFixed(0)} µs`;
  if (us < 1_000_000) return `${(us / 1000).toFixed(us < 100_000 ? 1 : 0)} ms`;
  return `${(us / 1_000_000).toFixed(us < 100_000_000 ? 1 : 0)} s`;
}

const SPANS = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
] as const;

/** A span of seconds, rounded down: `3 d`, `2 h`, `15 min`, `8 s`. */
export function span(seconds: number): string {
  for (const [unit, length] of SPANS) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

/** A moment as the reader's own clock shows it. */
export function moment(ms: number): string {
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** The time of day of a moment. */
export function timeOfDay(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, { timeStyle: "medium" });
}

/** A digest's beginning, which tells it apart well enough; what is no digest stays. */
export function shortDigest(digest: string): string {
  return digest.startsWith("sha256:") ? digest.slice(7, 19) : digest;
}

/** `1 VM`, `2 VMs`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
