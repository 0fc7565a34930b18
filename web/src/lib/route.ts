/** The dashboard's addresses. */

export const BASE = "/dashboard";

export const VM_TABS = ["terminal", "files", "run", "console", "ports"] as const;
export const FUNCTION_TABS = ["invoke", "versions", "aliases", "logs", "events"] as const;
export type VmTab = (typeof VM_TABS)[number];
export type FunctionTab = (typeof FUNCTION_TABS)[number];

/** Pages that stand alone. */
export const PLACES = [
  "vms",
  "snapshots",
  "images",
  "templates",
  "pools",
  "functions",
  "keys",
  "audit",
] as const;
export type Place = (typeof PLACES)[number];

export type Route =
  | { page: "overview" }
  | { page: Place }
  | { page: "vm"; id: string; tab: VmTab }
  | { page: "template"; id: string }
  | { page: "function"; name: string; tab: FunctionTab }
  | { page: "unknown" };

function oneOf<T extends string>(words: readonly T[], word: string): word is T {
  return (words as readonly string[]).includes(word);
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** The page that a path of the browser names. */
export function parseRoute(pathname: string): Route {
  const parts = pathname
    .replace(BASE, "")
    .split("/")
    .filter((part) => part !== "")
    .map(decode);
  const [place, name, tab, ...more] = parts;
  if (place === undefined) return { page: "overview" };
  if (place === null || name === null || tab === null || more.length > 0) return { page: "unknown" };
  if (name === undefined) return oneOf(PLACES, place) ? { page: place } : { page: "unknown" };
  if (place === "vms" && (tab === undefined || oneOf(VM_TABS, tab))) {
    return { page: "vm", id: name, tab: tab ?? "terminal" };
  }
  if (place === "functions" && (tab === undefined || oneOf(FUNCTION_TABS, tab))) {
    return { page: "function", name, tab: tab ?? "invoke" };
  }
  if (place === "templates" && tab === undefined) return { page: "template", id: name };
  return { page: "unknown" };
}

/** The address of a page. */
export function addressOf(route: Exclude<Route, { page: "unknown" }>): string {
  switch (route.page) {
    case "overview":
      return `${BASE}/`;
    case "vm":
      return `${BASE}/vms/${encodeURIComponent(route.id)}/${route.tab}`;
    case "template":
      return `${BASE}/templates/${encodeURIComponent(route.id)}`;
    case "function":
      return `${BASE}/functions/${encodeURIComponent(route.name)}/${route.tab}`;
    default:
      return `${BASE}/${route.page}`;
  }
}
