// Calls of the API's routes: the address, the key, names, and errors are seen to here and nowhere else.

import { type ByteStream, bytesOf, collected, textOf } from "../bytes.js";
import { brokenOff, described, ThawError } from "../errors.js";
import type { CallOptions, WorkOptions } from "../types.js";
import { filled, type PathParameters, queryString, type QueryValue } from "./address.js";
import { fromWire, snake, toWire } from "./names.js";
import type { Answer, Body, Method, Query, Route } from "./routes.js";
import { eventsOf } from "./sse.js";
import { type Incoming, send } from "./transport.js";

/** The largest description of an error that is read, in bytes. */
const MAX_ERROR_BYTES = 1 << 20;

/** What a call of a route needs. */
export type Call<M extends Method, R extends Route<M>> = CallOptions & {
  query?: Query<M, R>;
  body?: Body<M, R>;
  /** A body that is not JSON, and its media type. */
  content?: { type: string | undefined; data: Uint8Array | ByteStream };
  headers?: Readonly<Record<string, string>>;
} & (R extends `${string}{${string}` ? { path: PathParameters<R> } : { path?: undefined });

/** An event of a stream, with the SDK's names. */
export interface ApiEvent {
  name: string;
  data: unknown;
  id: string | undefined;
}

/** A server and the key for it. */
export class Api {
  /** The server's address, without a slash at its end. */
  readonly server: string;
  readonly #apiKey: string | undefined;

  /** @throws TypeError for an address that is none of HTTP, or a key that no header can hold. */
  constructor(server: string, apiKey: string | undefined) {
    const url = URL.canParse(server) ? new URL(server) : undefined;
    if (url?.protocol !== "http:" && url?.protocol !== "https:") {
      throw new TypeError(`${JSON.stringify(server)} is no server's address, such as http://127.0.0.1:8000`);
    }
    if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
      throw new TypeError("the API key has characters that no key has");
    }
    this.server = url.href.replace(/[?#].*$/, "").replace(/\/+$/, "");
    this.#apiKey = apiKey;
  }

  /** What shows who asks. */
  get credentials(): Record<string, string> {
    return this.#apiKey === undefined ? {} : { authorization: `Bearer ${this.#apiKey}` };
  }

  /** A route's address. */
  url(
    route: string,
    path: Readonly<Record<string, string | number>> = {},
    query: Readonly<Record<string, QueryValue>> = {},
  ): URL {
    const named = Object.entries(query).map(([name, value]) => [snake(name), value]);
    const wire = Object.fromEntries(named) as Record<string, QueryValue>;
    return new URL(this.server + filled(route, path) + queryString(wire));
  }

  /** Calls a route that answers with JSON, or with nothing. */
  async json<M extends Method, R extends Route<M>>(
    method: M,
    route: R,
    call: Call<M, R>,
  ): Promise<Answer<M, R>> {
    const answer = await this.raw(method, route, call);
    const text = textOf(await collected(answer.body));
    return (text === "" ? undefined : fromWire(parsed(text))) as Answer<M, R>;
  }

  /** Calls a route whose answer is long or no JSON. */
  async raw<M extends Method, R extends Route<M>>(method: M, route: R, call: Call<M, R>): Promise<Incoming> {
    const headers: Record<string, string> = {
      accept: "application/json",
      ...this.credentials,
      ...call.headers,
    };
    let body: Uint8Array | ByteStream | undefined;
    if (call.content !== undefined) {
      body = call.content.data;
      if (call.content.type !== undefined) headers["content-type"] = call.content.type;
      // A stream is sent in chunks: what it turns out to be is what it is.
      if (body instanceof Uint8Array) headers["content-length"] = String(body.length);
    } else if (call.body !== undefined) {
      body = bytesOf(JSON.stringify(toWire(call.body)));
      headers["content-type"] = "application/json";
      headers["content-length"] = String(body.length);
    } else if (method !== "get") headers["content-length"] = "0";
    const url = this.url(route, call.path, call.query);
    const answer = await send({ method: method.toUpperCase(), url, headers, body, signal: call.signal });
    if (answer.status >= 300) throw await errorOf(answer);
    return answer;
  }

  /** Calls a route that answers with events. Who stops early hangs up. */
  async *events<M extends Method, R extends Route<M>>(
    method: M,
    route: R,
    call: Call<M, R>,
  ): AsyncGenerator<ApiEvent> {
    const headers = { ...call.headers, accept: "text/event-stream" };
    const answer = await this.raw(method, route, { ...call, headers });
    for await (const { name, data, id } of eventsOf(answer.body)) {
      const event = { name, data: fromWire(parsed(data)), id };
      if (name === "error") throw described(event.data);
      yield event;
    }
  }

  /** Calls a route whose work takes long, and tells of its progress. */
  async work<M extends Method, R extends Route<M>>(
    method: M,
    route: R,
    call: Call<M, R> & WorkOptions,
  ): Promise<Answer<M, R>> {
    for await (const { name, data } of this.events(method, route, call)) {
      if (name === "done") return data as Answer<M, R>;
      if (name === "progress") await call.onProgress?.(data as Parameters<typeof call.onProgress>[0]);
    }
    throw brokenOff(this.server, "the work may go on");
  }
}

/** The error that an answer describes, of which no more is read than a description may have. */
export async function errorOf(answer: Incoming): Promise<ThawError> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of answer.body) {
    pieces.push(piece);
    size += piece.length;
    if (size > MAX_ERROR_BYTES) break;
  }
  return failure(answer.status, pieces, answer.header("retry-after"));
}

/** The error of a status and the pieces of its description. */
export function failure(status: number, pieces: readonly Uint8Array[], retryAfter?: string): ThawError {
  const seconds = Number.parseInt(retryAfter ?? "", 10);
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(pieces).toString());
  } catch {
    body = undefined;
  }
  return described(body, { status, retryAfterS: Number.isNaN(seconds) ? undefined : seconds });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ThawError("bad_answer", "the server answered with something that is no JSON", {
      hint: "is it Thaw that answers at this address?",
      cause,
    });
  }
}
