import type { ComponentChildren } from "preact";
import { describe } from "../api/error";

interface Props {
  error: unknown;
  children?: ComponentChildren;
}

/** What went wrong, and what mends it. Nothing where nothing did. */
export function Problem({ error, children }: Props) {
  if (error === null || error === undefined) return null;
  const { message, hint, code } = describe(error);
  return (
    <div class="problem" role="alert">
      <p class="said">{message}</p>
      {hint && <p class="hint">{hint}</p>}
      {code && <code class="quiet">{code}</code>}
      {children}
    </div>
  );
}
