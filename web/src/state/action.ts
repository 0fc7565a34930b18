/** Things that a person does and the server needs a moment for. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { isAbort } from "../api/error";

export interface Action {
  busy: boolean;
  error: unknown;
  /** Does it. While it is being done another one is refused. It is given up when the view goes. */
  run: (task: (signal: AbortSignal) => Promise<void>) => void;
  /** Gives it up. */
  cancel: () => void;
  clear: () => void;
}

/** One thing at a time, with whether it is being done and what went wrong with it. */
export function useAction(): Action {
  const [state, setState] = useState<{ busy: boolean; error: unknown }>({ busy: false, error: null });
  const current = useRef<AbortController | null>(null);

  useEffect(
    () => () => {
      current.current?.abort();
    },
    [],
  );

  const run = useCallback((task: (signal: AbortSignal) => Promise<void>) => {
    if (current.current) return;
    const controller = new AbortController();
    current.current = controller;
    setState({ busy: true, error: null });
    const finish = (error: unknown) => {
      current.current = null;
      setState({ busy: false, error: isAbort(error) ? null : error });
    };
    // A task that throws before it waits is no other than one that throws later.
    void Promise.resolve()
      .then(() => task(controller.signal))
      .then(() => {
        finish(null);
      }, finish);
  }, []);
  const cancel = useCallback(() => {
    current.current?.abort();
  }, []);
  const clear = useCallback(() => {
    setState((old) => ({ ...old, error: null }));
  }, []);
  return { ...state, run, cancel, clear };
}
