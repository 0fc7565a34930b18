import type { ComponentChildren } from "preact";

interface Props {
  name: string;
  children: ComponentChildren;
}

/** One entry of a list of facts. */
export function Fact({ name, children }: Props) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
