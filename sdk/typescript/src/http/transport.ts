// One HTTP request over node:http. `fetch` would do but for its limit of five minutes without an answer, which can't be changed
// without another dependency: a function may work for an hour before its answer begins.

import http from "node:http";
import https from "node:https";
import { setImmediate } from "node:timers/promises";

import type { ByteStream } from "../bytes.js";
import { brokenOff, notReached } from "../errors.js";

/** A request as it goes out. */
export interface Outgoing {
  method: string;
  url: URL;
  headers: Readonly<Record<string, string>>;
  /** Bytes, or a stream that is sent as fast as the server takes it. */
  body?: Uint8Array | ByteStream | undefined;
  signal?: AbortSignal | undefined;
}

/** An answer whose head has come. */
export interface Incoming {
  status: number;
  /** A header's value, by its name in lower case. */
  header(name: string): string | undefined;
  /** Its body, once. It is read as fast as it is asked for; who stops early hangs up. */
  body: ByteStream;
}

/** From which size on the server is asked whether it wants a body before that is sent, in bytes. */
const ASK_FROM_BYTES = 1 << 20;
/** How long a server, or a proxy that knows no such question, has to answer it, in milliseconds. */
const ASK_MS = 1_000;

/** How much is written at once, in bytes. */
const SLICE_BYTES = 64 << 10;

const AGENTS = {
  "http:": new http.Agent({ keepAlive: true }),
  "https:": new https.Agent({ keepAlive: true }),
};

/**
 * Sends a request and waits for the head of its answer.
 *
 * @throws {@link ThawConnectionError} when the server is not reached or hangs up, the signal's reason when it aborts, and what
 * the body's stream throws.
 */
export async function send(outgoing: Outgoing): Promise<Incoming> {
  const { method, url, body, signal } = outgoing;
  signal?.throwIfAborted();
  // A body that is refused while it is sent breaks the connection, and the refusal would be lost with it.
  const asks = body !== undefined && !(body instanceof Uint8Array && body.length < ASK_FROM_BYTES);
  const headers = asks ? { ...outgoing.headers, expect: "100-continue" } : outgoing.headers;
  const secure = url.protocol === "https:";
  const options = { method, headers, agent: AGENTS[secure ? "https:" : "http:"], ...(signal && { signal }) };
  const request = secure ? https.request(url, options) : http.request(url, options);
  const reached = { yes: false };
  request.once("socket", (socket) => {
    if (!socket.connecting) reached.yes = true;
    else socket.once("connect", () => (reached.yes = true));
  });
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    // Stays for as long as the request does: an error after the answer is told by the answer's body.
    request.on("error", reject);
  });
  const source: Source = {};
  if (asks) {
    whenWanted(request, () => {
      sendBody(request, body, source);
    });
  } else sendBody(request, body, source);
  try {
    const response = await answered;
    return {
      status: response.statusCode ?? 0,
      header: (name) => [response.headers[name]].flat().join(", ") || undefined,
      body: pieces(response, request, url, signal),
    };
  } catch (error) {
    signal?.throwIfAborted();
    if (source.failed !== undefined) throw source.failed.error;
    if (!reached.yes) throw notReached(url.origin, error);
    throw brokenOff(url.origin, "the request may have been carried out", error);
  }
}

/** What the body's own stream threw, which has ended the request. */
interface Source {
  failed?: { error: unknown };
}

/** Calls `send` once, when the server wants the body or does not say; not at all when it answers without it. */
function whenWanted(request: http.ClientRequest, send: () => void): void {
  const decide = (wanted: boolean): void => {
    clearTimeout(silence);
    for (const event of ["response", "close"]) request.off(event, refused);
    request.off("continue", asked);
    if (wanted) send();
  };
  const refused = (): void => {
    decide(false);
  };
  const asked = (): void => {
    decide(true);
  };
  const silence = setTimeout(asked, ASK_MS);
  request.once("continue", asked);
  for (const event of ["response", "close"]) request.once(event, refused);
  request.flushHeaders();
}

function sendBody(request: http.ClientRequest, body: Outgoing["body"], source: Source): void {
  if (body === undefined || (body instanceof Uint8Array && body.length < ASK_FROM_BYTES)) {
    request.end(body);
    return;
  }
  sendStream(request, slices(body)).catch((error: unknown) => {
    source.failed = { error };
    request.destroy(error instanceof Error ? error : new Error(String(error)));
  });
}

/** The same bytes in pieces that are not large. */
async function* slices(body: Uint8Array | ByteStream): AsyncGenerator<Uint8Array> {
  for await (const piece of body instanceof Uint8Array ? [body] : body) {
    for (let at = 0; at < piece.length; at += SLICE_BYTES) yield piece.subarray(at, at + SLICE_BYTES);
  }
}

/**
 * Sends a stream as fast as the server takes it, until it ends or the server answers: who answers before the end wants no more of
 * it. Throws what the stream throws.
 */
async function sendStream(request: http.ClientRequest, body: ByteStream): Promise<void> {
  const state = { over: false };
  let goOn: (() => void) | undefined;
  for (const event of ["response", "error", "close"]) {
    request.once(event, () => {
      state.over = true;
      goOn?.();
    });
  }
  request.on("drain", () => goOn?.());
  for await (const piece of body) {
    // A refusal that is there already is read first: once a write has failed, Node throws away what was not yet read.
    await setImmediate();
    if (state.over) return;
    if (!request.write(piece)) await new Promise<void>((resolve) => (goOn = resolve));
  }
  if (!state.over) request.end();
}

async function* pieces(
  response: http.IncomingMessage,
  request: http.ClientRequest,
  url: URL,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      yield new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw brokenOff(url.origin, "the answer is not whole", error);
  } finally {
    // An answer that came before all was sent: the rest goes nowhere.
    if (!request.writableFinished) request.destroy();
  }
}
