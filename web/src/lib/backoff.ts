/** How long to wait before the next try. */

const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/** The pause after so many failures in a row: doubled each time, and spread so that many readers don't come at once. */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const pause = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
  return pause / 2 + (pause / 2) * random();
}

/** Waits, unless `signal` ends it before. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
