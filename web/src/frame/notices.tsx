import { dismiss, notices } from "../state/notices";
import { Link } from "../ui/link";

/** What is said at the top of the page. */
export function Notices() {
  return (
    <div aria-live="polite">
      {notices.value.map(({ key, kind, message, hint, link }) => (
        <div key={key} class={`notice ${kind}`} role={kind === "problem" ? "alert" : "status"}>
          <div>
            <p class="said">
              {message} {link && <Link href={link.href}>{link.text}</Link>}
            </p>
            {hint && <p class="hint">{hint}</p>}
          </div>
          <button
            type="button"
            class="plain"
            aria-label="Dismiss"
            onClick={() => {
              dismiss(key);
            }}
          >
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
