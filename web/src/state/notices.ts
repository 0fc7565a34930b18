/** What is said at the top of the page until somebody takes it away. */
import { computed, signal } from "@preact/signals";
import { describe, isAbort, type Problem } from "../api/error";
import { route } from "./location";

export interface Notice extends Problem {
  key: number;
  kind: "problem" | "done";
  link?: { href: string; text: string };
}

/** More than these are not read anyway; the oldest goes. */
const KEPT_NOTICES = 3;

export const notices = signal<readonly Notice[]>([]);
let next = 0;

function add(notice: Omit<Notice, "key">): void {
  next += 1;
  notices.value = [...notices.value.slice(1 - KEPT_NOTICES), { ...notice, key: next }];
}

/** Tells of an error; one of giving up is none. */
export function tellProblem(error: unknown): void {
  if (!isAbort(error)) add({ kind: "problem", ...describe(error) });
}

/** Tells that something was done, and where it is. */
export function tellDone(message: string, link?: { href: string; text: string }): void {
  add({ kind: "done", message, ...(link ? { link } : {}) });
}

export function dismiss(key: number): void {
  notices.value = notices.value.filter((notice) => notice.key !== key);
}

// What was done is old news on the next page; what went wrong stays until it was read.
const page = computed(() => route.value.page);
page.subscribe(() => {
  notices.value = notices.peek().filter(({ kind }) => kind === "problem");
});
