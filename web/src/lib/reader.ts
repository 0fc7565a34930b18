/** Reads something again whenever it may have changed, and never twice at once. */

interface Outcome<T> {
  onData: (data: T) => void;
  onError: (error: unknown) => void;
}

export interface Reader {
  /** Asks for a read: it begins now, or after the one that runs, once for all who ask meanwhile. */
  read: () => void;
  /** Gives up what is being read; nothing is told any more. */
  close: () => void;
}

/** A reader of what `load` loads. */
export function openReader<T>(load: (signal: AbortSignal) => Promise<T>, outcome: Outcome<T>): Reader {
  const controller = new AbortController();
  const { signal } = controller;
  let reading = false;
  let stale = false;

  const readOnce = async () => {
    try {
      const data = await load(signal);
      if (!signal.aborted) outcome.onData(data);
    } catch (error) {
      if (!signal.aborted) outcome.onError(error);
    }
  };
  const read = () => {
    if (reading) {
      stale = true;
      return;
    }
    reading = true;
    void readOnce().then(() => {
      reading = false;
      if (!stale || signal.aborted) return;
      stale = false;
      read();
    });
  };
  return {
    read,
    close: () => {
      controller.abort();
    },
  };
}
