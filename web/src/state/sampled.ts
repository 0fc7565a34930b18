/** Figures of which the API tells no events, such as a VM's memory: they can only be asked for now and then. */
import { signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { pause } from "../lib/backoff";

/**
 * A count that goes up every `ms` while the page is shown, for `useResource` to read by. Reads never pile up, since one
 * resource reads once at a time.
 */
export function useSampling(ms: number): ReadonlySignal<number> {
  const [ticks] = useState(() => signal(0));
  useEffect(() => {
    const controller = new AbortController();
    const givenUp = () => controller.signal.aborted;
    const run = async () => {
      while (!givenUp()) {
        await pause(ms, controller.signal);
        if (!document.hidden && !givenUp()) ticks.value += 1;
      }
    };
    void run();
    return () => {
      controller.abort();
    };
  }, [ms, ticks]);
  return ticks;
}
