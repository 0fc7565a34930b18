/** Addresses of routes, with what they name percent-encoded. */

type Scalar = string | number | boolean;
export type Parts = Partial<Record<string, Scalar | null>>;

/**
 * Fills a route's path, such as `/v1/vms/{id}`, and puts a query after it.
 *
 * @throws When a part of the path is not given: an address with a hole in it would name something else.
 */
export function fill(route: string, path: Parts = {}, query: Parts = {}): string {
  const filled = route.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = path[name];
    if (value === undefined || value === null || value === "") throw new Error(`${route} needs its ${name}`);
    return encodeURIComponent(String(value));
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  return search.size > 0 ? `${filled}?${search.toString()}` : filled;
}
