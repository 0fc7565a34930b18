/** Things of the server that a view shows, kept fresh while it is shown. */
import type { ReadonlySignal } from "@preact/signals";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { isAbort } from "../api/error";
import { openReader } from "../lib/reader";

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
 * Reads something now, whenever one of `deps` changes, and whenever `changes` counts up. What is being read is given up
 * when the view goes or `deps` change.
 */
export function useResource<T>(
  load: (signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
  changes?: ReadonlySignal<number>,
): Resource<T> {
  const [slot, setSlot] = useState<Slot<T>>({ data: null, error: null });
  const again = useRef<() => void>(() => undefined);

  useEffect(() => {
    const reader = openReader(load, {
      onData: (data) => {
        setSlot({ data, error: null });
      },
      onError: (error) => {
        if (!isAbort(error)) setSlot((old) => ({ data: old.data, error }));
      },
    });
    again.current = reader.read;
    reader.read();
    let subscribed = false;
    const unsubscribe = changes?.subscribe(() => {
      // A signal tells its value at once; what it was before is read already.
      if (subscribed) reader.read();
      subscribed = true;
    });
    return () => {
      unsubscribe?.();
      reader.close();
    };
    // `load` is a new closure with every render; what it depends on is in `deps`.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, deps);

  const reload = useCallback(() => {
    again.current();
  }, []);
  return { ...slot, reload };
}
