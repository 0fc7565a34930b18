// Addresses: routes with their parameters filled in, and queries.

/** The names in braces of a route. */
export type PathParameter<Route extends string> = Route extends `${string}{${infer Name}}${infer Rest}`
  ? Name | PathParameter<Rest>
  : never;

/** What fills in a route. */
export type PathParameters<Route extends string> = Record<PathParameter<Route>, string | number>;

/** A path of a guest: text, or bytes where it is not UTF-8. */
export type GuestPath = string | Uint8Array;

/** A value in a query; those that are undefined or null are left out. */
export type QueryValue = GuestPath | number | boolean | null | undefined;

/** The route with each name replaced by its value. */
export function filled(route: string, parameters: Readonly<Record<string, string | number>>): string {
  return route.replace(/\{([a-z]+)\}/g, (_, name: string) => {
    const value = parameters[name];
    if (value === undefined || value === "") throw new TypeError(`${name} is empty`);
    // A dot or two would be taken for steps through the path, also when they are percent-encoded.
    if (value === "." || value === "..") throw new TypeError(`${name} can't be "${value}"`);
    return encodeURIComponent(value);
  });
}

/** `?a=1&b=2`; empty when nothing is given. */
export function queryString(query: Readonly<Record<string, QueryValue>>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === null ? [] : [`${name}=${encoded(value)}`],
  );
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

function encoded(value: string | number | boolean | Uint8Array): string {
  if (!(value instanceof Uint8Array)) return encodeURIComponent(value);
  return Array.from(value, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}
