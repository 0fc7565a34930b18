import type { ComponentChildren } from "preact";

interface Props {
  children: ComponentChildren;
  /** The same with the command line. */
  command: string;
}

/** What to do where there is nothing yet. */
export function Empty({ children, command }: Props) {
  return (
    <div class="empty">
      <p>{children}</p>
      <pre>{command}</pre>
    </div>
  );
}
