/** The way to the login page and back. */

/** The address of the login page, which is to lead back to `here`. */
export function loginAddress(here: string): string {
  return `/login?next=${encodeURIComponent(here)}`;
}

/** Leaves for the login page. What waits for the answer waits until the page is gone. */
export function toLogin(): Promise<never> {
  window.location.assign(loginAddress(window.location.pathname + window.location.search));
  return new Promise<never>(() => undefined);
}
