import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

interface Props {
  title: string;
  /** What stands before the title, such as where it belongs. */
  before?: ComponentChildren;
  after?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

/** A page: its title, what can be done on it, and what it shows. */
export function Page({ title, before, after, actions, children }: Props) {
  useEffect(() => {
    document.title = `${title} – Thaw`;
  }, [title]);
  return (
    <>
      <div class="page-head">
        <h1>
          {before}
          {title}
          {after}
        </h1>
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children}
    </>
  );
}
