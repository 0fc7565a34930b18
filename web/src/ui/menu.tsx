import { useId, useRef } from "preact/hooks";

export interface MenuItem {
  text: string;
  danger?: boolean;
  onPick: () => void;
}

interface Props {
  label: string;
  items: readonly MenuItem[];
}

/** A button with more to do under it. It lies in the browser's top layer, so no table cuts it off; Escape closes it. */
export function Menu({ label, items }: Props) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  const place = () => {
    const popover = list.current;
    const at = button.current?.getBoundingClientRect();
    if (!popover || !at) return;
    const below = at.bottom + popover.offsetHeight + 8 < window.innerHeight;
    popover.style.top = `${below ? at.bottom + 2 : at.top - popover.offsetHeight - 2}px`;
    popover.style.left = `${Math.max(8, at.right - popover.offsetWidth)}px`;
    popover.querySelector("button")?.focus();
  };
  const move = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const buttons = [...(list.current?.querySelectorAll("button") ?? [])];
    const next = buttons.at(
      (buttons.indexOf(document.activeElement as HTMLButtonElement) + step) % buttons.length,
    );
    if (step === 0 || !next) return;
    event.preventDefault();
    next.focus();
  };

  return (
    <>
      <button ref={button} type="button" class="plain" aria-label={label} popovertarget={id}>
        ⋯
      </button>
      <div
        ref={list}
        id={id}
        class="menu"
        popover="auto"
        onKeyDown={move}
        onToggle={(event) => {
          if (event.newState === "open") place();
        }}
      >
        {items.map((item) => (
          <button
            key={item.text}
            type="button"
            class={item.danger ? "danger" : ""}
            onClick={() => {
              list.current?.hidePopover();
              item.onPick();
            }}
          >
            {item.text}
          </button>
        ))}
      </div>
    </>
  );
}
