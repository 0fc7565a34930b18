// One HTTP request over node:http. `fetch` would do but for its limit of five minutes without an answer, which can't be changed
// without another dependency: a function may work for an hour before its answer begins.

import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

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
  const { method, url, headers, body, signal } = outgoing;
  signal?.throwIfAborted();
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
  const source = sendBody(request, body);
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

function sendBody(request: http.ClientRequest, body: Outgoing["body"]): Source {
  const source: Source = {};
  if (body === undefined || body instanceof Uint8Array) {
    request.end(body);
    return source;
  }
  async function* watched(stream: ByteStream): AsyncGenerator<Uint8Array> {
    try {
      yield* stream;
    } catch (error) {
      source.failed = { error };
      throw error;
    }
  }
  pipeline(Readable.from(watched(body), { objectMode: false }), request).catch(() => {
    // The request has ended with it, which whoever waits for the answer hears of.
  });
  return source;
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
