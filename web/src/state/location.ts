/** Where in the dashboard the browser is. */
import { computed, signal } from "@preact/signals";
import { parseRoute } from "../lib/route";

const pathname = signal(window.location.pathname);
const search = signal(window.location.search);

export const route = computed(() => parseRoute(pathname.value));

/** What the address says besides the page. */
export const query = computed(() => new URLSearchParams(search.value));

function look(): void {
  pathname.value = window.location.pathname;
  search.value = window.location.search;
}

window.addEventListener("popstate", look);

/** Goes to a page without loading the app anew. */
export function go(address: string, how: "push" | "replace" = "push"): void {
  if (how === "push") window.history.pushState(null, "", address);
  else window.history.replaceState(null, "", address);
  look();
  if (how === "push") window.scrollTo(0, 0);
}
