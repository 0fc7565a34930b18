/** Typed requests to the API: `call("get", "/v1/vms/{id}", { path: { id } })`. */
import { fill, type Parts } from "./address";
import { errorOfText } from "./error";
import type { Address, Answer, Method, Operation, Path, PathsWith, Wish } from "./routes";
import { toLogin } from "./login";

interface Loose {
  path?: Parts;
  query?: Parts;
  body?: unknown;
  signal?: AbortSignal;
}

/** The address of a route, for links, uploads and sockets. */
export function address<M extends Method, P extends PathsWith<M>>(
  _method: M,
  route: P,
  parts: Address<Operation<M, P>>,
): string {
  const { path, query } = parts as Loose;
  return fill(route, path, query);
}

/** Sends a request and gives its answer back whatever it is; goes to log in where the server does not know us. */
export async function send(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, { credentials: "same-origin", ...init });
  if (response.status === 401) return toLogin();
  return response;
}

/** As {@link send}, and throws what the API says went wrong. */
export async function demand(url: string, init: RequestInit): Promise<Response> {
  const response = await send(url, init);
  if (!response.ok) throw errorOfText(response.status, await response.text());
  return response;
}

/** What a request with a JSON body is made of. */
export function jsonInit(method: Method, body: unknown, signal?: AbortSignal): RequestInit {
  return {
    method: method.toUpperCase(),
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    ...(signal ? { signal } : {}),
  };
}

/**
 * Asks a route and gives its JSON answer back, or undefined where it has none.
 *
 * @throws {ApiError} When the API refuses or fails.
 */
export async function call<M extends Method, P extends PathsWith<M> & Path>(
  method: M,
  route: P,
  wish: Wish<Operation<M, P>>,
): Promise<Answer<Operation<M, P>>> {
  const { path, query, body, signal } = wish as Loose;
  const response = await demand(fill(route, path, query), jsonInit(method, body, signal));
  const text = await response.text();
  // The types are those of the API's own description.
  return (text === "" ? undefined : JSON.parse(text)) as Answer<Operation<M, P>>;
}
