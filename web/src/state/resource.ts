/** Things of the server that a view shows, kept fresh while it is shown. */
import type { ReadonlySignal } from "@preact/signals";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { isAbort } from "../api/error";

export interface Resource<T> {
  /** What was read last; it stays while it is read again, so that nothing jumps. */
  data: T | null;
  /** Why the last read failed. */
  error: unknown;
  reload: () => void;
}

interface Slot<T> {
  data: T | null;
  error: unknown;
}

/**
 * Reads something now, whenever one of `deps` changes, and whenever `changes` counts up.
 *
 * One read runs at a time: changes that come meanwhile lead to one more read after it, however many they are. What is
 * being read is given up when the view goes or `deps` change.
 */
export function useResource<T>(
  load: (signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
  changes?: ReadonlySignal<number>,
): Resource<T> {
  const [slot, setSlot] = useState<Slot<T>>({ data: null, error: null });
  const again = useRef<() => void>(() => undefined);

  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    let reading = false;
    let stale = false;
    const mustReadAgain = () => stale && !signal.aborted;

    const read = async () => {
      if (reading) {
        stale = true;
        return;
      }
      reading = true;
      do {
        stale = false;
        try {
          const data = await load(signal);
          if (!signal.aborted) setSlot({ data, error: null });
        } catch (error) {
          if (!signal.aborted && !isAbort(error)) setSlot((old) => ({ data: old.data, error }));
        }
      } while (mustReadAgain());
      reading = false;
    };

    again.current = () => void read();
    setSlot((old) => (old.error === null ? old : { data: old.data, error: null }));
    void read();
    let first = true;
    const unsubscribe = changes?.subscribe(() => {
      if (!first) void read();
      first = false;
    });
    return () => {
      unsubscribe?.();
      controller.abort();
    };
    // `load` is a new closure with every render; what it depends on is in `deps`.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, deps);

  const reload = useCallback(() => {
    again.current();
  }, []);
  return { ...slot, reload };
}
