import type { ComponentChildren } from "preact";
import { useAction } from "../state/action";
import { Dialog } from "./dialog";
import { Problem } from "./problem";

interface Props {
  title: string;
  submit: string;
  /** What the button says while it is being done. */
  doing?: string;
  danger?: boolean;
  wide?: boolean;
  onClose: () => void;
  /** Does what the form is for; the dialog closes when it is done, and shows what is thrown. */
  onSubmit: (form: FormData, signal: AbortSignal) => Promise<void>;
  children: ComponentChildren;
}

/** A form in a dialog. It stays open, with what was typed, until its work is done. */
export function FormDialog({ title, submit, doing, danger, wide, onClose, onSubmit, children }: Props) {
  const action = useAction();
  const start = (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    action.run(async (signal) => {
      await onSubmit(form, signal);
      onClose();
    });
  };
  return (
    <Dialog title={title} onClose={onClose} {...(wide ? { wide } : {})}>
      <form onSubmit={start}>
        {children}
        <Problem error={action.error} />
        <footer>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class={danger ? "danger" : "primary"} disabled={action.busy}>
            {action.busy ? (doing ?? "Working…") : submit}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** The text of a form's field; empty where it has none. */
export function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}
