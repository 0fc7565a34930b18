import type { ComponentChildren } from "preact";
import type { Resource } from "../state/resource";
import { Problem } from "./problem";

interface Props<T> {
  of: Resource<T>;
  children: (data: T) => ComponentChildren;
}

/** What was read, or why it could not be; what was read before stays under the problem. */
export function ResourceView<T>({ of, children }: Props<T>) {
  return (
    <>
      {of.error !== null && (
        <Problem error={of.error}>
          <button type="button" onClick={of.reload}>
            Try again
          </button>
        </Problem>
      )}
      {of.data !== null ? children(of.data) : of.error === null && <p class="loading">Loading…</p>}
    </>
  );
}
