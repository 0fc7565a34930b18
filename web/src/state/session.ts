/** Who the server takes us for. */
import { computed, signal } from "@preact/signals";
import { call } from "../api/client";
import { describe, type Problem } from "../api/error";
import { toLogin } from "../api/login";
import type { Whoami } from "../api/types";

export const whoami = signal<Whoami | null>(null);
export const sessionProblem = signal<Problem | null>(null);

/** Whether there is a session that can be ended. */
export const hasSession = computed(() => whoami.value?.kind === "session");

/** Whether keys and the audit log mean anything here: authentication is on and we may see them. */
export const mayAdminister = computed(() => {
  const who = whoami.value;
  return who !== null && who.kind !== "anyone" && who.scopes.includes("admin");
});

/** Asks the server who we are; leaves for the login page where it does not know. */
export async function loadSession(): Promise<void> {
  try {
    whoami.value = await call("get", "/v1/session", {});
    sessionProblem.value = null;
  } catch (error) {
    sessionProblem.value = describe(error);
  }
}

/** Ends the session and leaves for the login page. */
export async function logOut(): Promise<void> {
  await call("post", "/v1/logout", {});
  await toLogin();
}
