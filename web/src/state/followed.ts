/** Text that comes in pieces and is shown while it comes. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { isAbort } from "../api/error";
import { appendText } from "../lib/bounded";

/** Of longer texts the beginning is forgotten. */
const KEPT_CHARACTERS = 256 * 1024;

export interface Followed {
  text: string;
  ended: boolean;
  error: unknown;
  /** Begins anew. */
  again: () => void;
}

/** Reads pieces until they end, the view goes, or `deps` change. Pieces of one frame are shown at once. */
export function useFollowed(
  open: (signal: AbortSignal) => AsyncIterable<string>,
  deps: readonly unknown[],
): Followed {
  const [text, setText] = useState("");
  const [end, setEnd] = useState<{ ended: boolean; error: unknown }>({ ended: false, error: null });
  const [round, setRound] = useState(0);

  useEffect(() => {
    const controller = new AbortController();
    let pending = "";
    let frame = 0;
    const show = () => {
      frame = 0;
      const more = pending;
      pending = "";
      setText((old) => appendText(old, more, KEPT_CHARACTERS));
    };
    const read = async () => {
      for await (const piece of open(controller.signal)) {
        pending = appendText(pending, piece, KEPT_CHARACTERS);
        if (frame === 0) frame = requestAnimationFrame(show);
      }
    };
    setText("");
    setEnd({ ended: false, error: null });
    read().then(
      () => {
        if (!controller.signal.aborted) setEnd({ ended: true, error: null });
      },
      (error: unknown) => {
        if (!isAbort(error) && !controller.signal.aborted) setEnd({ ended: true, error });
      },
    );
    return () => {
      controller.abort();
      cancelAnimationFrame(frame);
    };
    // `open` is a new closure with every render; what it depends on is in `deps`.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [...deps, round]);

  const again = useCallback(() => {
    setRound((old) => old + 1);
  }, []);
  return { text, ...end, again };
}
