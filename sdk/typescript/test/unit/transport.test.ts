import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";

import { collected } from "../../src/bytes.js";
import { ThawConnectionError } from "../../src/index.js";
import { send } from "../../src/http/transport.js";

let server: http.Server | undefined;

/** A server of its own for one test. */
async function serve(answer: http.RequestListener): Promise<URL> {
  const made = http.createServer(answer);
  server = made;
  await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve));
  return new URL(`http://127.0.0.1:${(made.address() as AddressInfo).port}/`);
}

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

test("an answer that ends before its length is not taken for whole", async () => {
  const url = await serve((_, response) => {
    response.writeHead(200, { "content-length": "10" });
    response.write("12345", () => response.destroy());
  });
  const { body } = await send({ method: "GET", url, headers: {} });
  await expect(collected(body)).rejects.toBeInstanceOf(ThawConnectionError);
});

test("a server that hangs up is told apart from one that is not there", async () => {
  const url = await serve((request) => request.socket.destroy());
  await expect(send({ method: "GET", url, headers: {} })).rejects.toMatchObject({
    code: "connection_failed",
    hint: "the request may have been carried out",
  });
});

test("a call that is given up while it waits throws the reason", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  const url = await serve(() => {
    abort.abort(reason);
  });
  await expect(send({ method: "GET", url, headers: {}, signal: abort.signal })).rejects.toBe(reason);
});

test("who stops to read hangs up", async () => {
  let hungUp: (() => void) | undefined;
  const gone = new Promise<void>((resolve) => (hungUp = resolve));
  const url = await serve((_, response) => {
    response.on("close", () => hungUp?.());
    response.write("first");
  });
  const { body } = await send({ method: "GET", url, headers: {} });
  for await (const piece of body) {
    expect(Buffer.from(piece).toString()).toBe("first");
    break;
  }
  await gone;
});

test("a stream is sent no faster than it is taken", async () => {
  let sent = 0;
  let taken = 0;
  let ahead = 0;
  const url = await serve((request, response) => {
    request.on("data", (piece: Buffer) => (taken += piece.length));
    request.on("end", () => response.end());
  });
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let mebibytes = 0; mebibytes < 64; mebibytes += 1) {
      sent += 1 << 20;
      ahead = Math.max(ahead, sent - taken);
      yield await Promise.resolve(new Uint8Array(1 << 20));
    }
  }
  const answer = await send({ method: "PUT", url, headers: {}, body: body() });
  expect([answer.status, sent, taken]).toEqual([200, 64 << 20, 64 << 20]);
  expect(ahead).toBeLessThan(16 << 20);
});
