import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface Props {
  title: string;
  onClose: () => void;
  wide?: boolean;
  children: ComponentChildren;
}

/** A modal dialog, open for as long as it is there. Escape closes it, and the focus goes back where it was. */
export function Dialog({ title, onClose, wide, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? "wide" : ""}
      aria-labelledby={heading}
      onCancel={(event) => {
        // A file field inside tells of its own cancelling by an event of the same name.
        if (event.target === event.currentTarget) onClose();
      }}
    >
      <h2 id={heading}>{title}</h2>
      {children}
      {/* The last one, so that the focus begins with what the dialog is for. */}
      <button type="button" class="plain close" aria-label="Close" onClick={onClose}>
        ✕
      </button>
    </dialog>
  );
}
