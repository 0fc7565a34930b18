import type { ComponentChildren } from "preact";
import { go } from "../state/location";

interface Props {
  href: string;
  class?: string;
  current?: boolean;
  children: ComponentChildren;
}

/** A link to a page of the dashboard. With a modifier key the browser does what it does with links. */
export function Link({ href, current, children, ...rest }: Props) {
  const follow = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(href);
  };
  return (
    <a href={href} onClick={follow} {...(current ? { "aria-current": "page" as const } : {})} {...rest}>
      {children}
    </a>
  );
}
