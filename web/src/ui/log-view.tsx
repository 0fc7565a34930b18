import { useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  text: string;
  label: string;
  /** What is shown where there is no text. */
  empty: string;
  /** Whether the label is shown above it, where there are several. */
  titled?: boolean;
}

/** Text that grows at its end. It follows its end unless somebody has scrolled away from it. */
export function LogView({ text, label, empty, titled }: Props) {
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  const log = (
    <pre
      ref={box}
      class={text === "" ? "log quiet" : "log"}
      role="log"
      aria-label={label}
      tabIndex={0}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        atEnd.current = scrollHeight - scrollTop - clientHeight < 24;
      }}
    >
      {text === "" ? empty : text}
    </pre>
  );
  if (!titled) return log;
  return (
    <div class="titled-log">
      <h3>{label}</h3>
      {log}
    </div>
  );
}
