/** Where in the dashboard the browser is. */
import { computed, signal } from "@preact/signals";
import { parseRoute } from "../lib/route";

const pathname = signal(window.location.pathname);

export const route = computed(() => parseRoute(pathname.value));

window.addEventListener("popstate", () => {
  pathname.value = window.location.pathname;
});

/** Goes to a page without loading the app anew. */
export function go(address: string, how: "push" | "replace" = "push"): void {
  if (how === "push") window.history.pushState(null, "", address);
  else window.history.replaceState(null, "", address);
  pathname.value = window.location.pathname;
  if (how === "push") window.scrollTo(0, 0);
}
