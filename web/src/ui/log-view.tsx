import { useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  text: string;
  label: string;
  /** What is shown where there is no text. */
  empty: string;
}

/** Text that grows at its end. It follows its end unless somebody has scrolled away from it. */
export function LogView({ text, label, empty }: Props) {
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
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
}
