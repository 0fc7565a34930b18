import type { ProgressEvent } from "../api/types";
import { bytes } from "../lib/format";

interface Props {
  progress: ProgressEvent | null;
}

/** How far long work is. It takes its room before there is any, so that nothing jumps. */
export function ProgressLine({ progress }: Props) {
  if (!progress) return <p class="progress-line" role="status" />;
  const { message, done_bytes: done, total_bytes: total } = progress;
  return (
    <p class="progress-line" role="status">
      {message}
      {typeof done === "number" && typeof total === "number" && total > 0 && (
        <>
          {" "}
          <progress value={done} max={total} /> {bytes(done)} of {bytes(total)}
        </>
      )}
    </p>
  );
}
