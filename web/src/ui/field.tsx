import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface Common {
  label: string;
  hint?: ComponentChildren;
}

interface FrameProps extends Common {
  id: string;
  children: ComponentChildren;
}

function Frame({ id, label, hint, children }: FrameProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
      {hint && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  );
}

interface TextProps extends Common {
  name?: string;
  type?: "text" | "number";
  defaultValue?: string | number;
  value?: string;
  placeholder?: string;
  list?: string;
  required?: boolean;
  autofocus?: boolean;
  maxLength?: number;
  pattern?: string;
  min?: number;
  max?: number;
  onInput?: (text: string) => void;
}

/** A line to type into. */
export function TextField({ label, hint, onInput, type = "text", ...input }: TextProps) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint}>
      <input
        id={id}
        type={type}
        autocomplete="off"
        spellcheck={false}
        {...(hint ? { "aria-describedby": `${id}-hint` } : {})}
        {...(onInput
          ? {
              onInput: (event: { currentTarget: HTMLInputElement }) => {
                onInput(event.currentTarget.value);
              },
            }
          : {})}
        {...input}
      />
    </Frame>
  );
}

interface AreaProps extends Common {
  name?: string;
  rows?: number;
  defaultValue?: string;
  value?: string;
  placeholder?: string;
  required?: boolean;
  onInput?: (text: string) => void;
}

/** Lines to type into. */
export function AreaField({ label, hint, onInput, ...area }: AreaProps) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint}>
      <textarea
        id={id}
        spellcheck={false}
        {...(hint ? { "aria-describedby": `${id}-hint` } : {})}
        {...(onInput
          ? {
              onInput: (event: { currentTarget: HTMLTextAreaElement }) => {
                onInput(event.currentTarget.value);
              },
            }
          : {})}
        {...area}
      />
    </Frame>
  );
}

interface SelectProps extends Common {
  name?: string;
  required?: boolean;
  value?: string;
  onChange?: (value: string) => void;
  children: ComponentChildren;
}

/** A choice. */
export function SelectField({ label, hint, onChange, children, ...select }: SelectProps) {
  const id = useId();
  return (
    <Frame id={id} label={label} hint={hint}>
      <select
        id={id}
        {...(hint ? { "aria-describedby": `${id}-hint` } : {})}
        {...(onChange
          ? {
              onChange: (event: { currentTarget: HTMLSelectElement }) => {
                onChange(event.currentTarget.value);
              },
            }
          : {})}
        {...select}
      >
        {children}
      </select>
    </Frame>
  );
}
