import { useState } from "preact/hooks";
import { tellProblem } from "../state/notices";

interface Props {
  text: string;
  label: string;
}

/** Puts a text on the clipboard. */
export function CopyButton({ text, label }: Props) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      tellProblem(
        new Error("the browser does not let this page use the clipboard; select the text and copy it"),
      );
    }
  };
  return (
    <button type="button" onClick={copy}>
      {copied ? "Copied" : label}
    </button>
  );
}
