import { bytes } from "../../../lib/format";
import { Problem } from "../../../ui/problem";
import type { Uploads } from "./uploads";

/** Uploads that go on, and those that failed. */
export function UploadList({ uploads }: { uploads: Uploads }) {
  return (
    <>
      {uploads.list.map(({ key, path, sent, total, state, error }) => (
        <div key={key} class="upload">
          <span class="mono">{path}</span>
          {state === "failed" ? (
            <Problem error={error} />
          ) : (
            <>
              <progress value={sent} max={Math.max(total, 1)} aria-label={`Upload of ${path}`} />
              <span class="number quiet">
                {bytes(sent)} of {bytes(total)}
              </span>
            </>
          )}
          <button
            type="button"
            class="plain"
            aria-label={state === "failed" ? `Forget ${path}` : `Give up ${path}`}
            onClick={() => {
              uploads.drop(key);
            }}
          >
            ✕
          </button>
        </div>
      ))}
    </>
  );
}
