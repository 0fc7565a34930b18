import { type AddressInfo, createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";

import { ThawConnectionError, ThawError } from "../../src/index.js";
import { Api } from "../../src/http/api.js";
import { Process, Terminal } from "../../src/process.js";

let server: WebSocketServer | undefined;

const EXIT = JSON.stringify({ type: "exit", exit_code: 3, timed_out: false, stdout_truncated: false });

/** A server of its own for one test, which does `attend` with each client. */
async function serve(attend: (client: WebSocket, path: string, key: string) => void): Promise<Api> {
  const made = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server = made;
  made.on("connection", (client, request) => {
    attend(client, request.url ?? "", request.headers.authorization ?? "");
  });
  await new Promise((resolve) => made.once("listening", resolve));
  return new Api(`http://127.0.0.1:${(made.address() as AddressInfo).port}`, "thaw_key");
}

afterEach(() => {
  for (const client of server?.clients ?? []) client.terminate();
  server?.close();
});

test("what is said on it is as documented", async () => {
  const said: string[] = [];
  const api = await serve((client, path, key) => {
    said.push(path, key);
    client.on("message", (data: Buffer, isBinary) => {
      said.push(isBinary ? `binary ${data.toString()}` : data.toString());
      if (!data.toString().includes("stdin_end")) return;
      client.send(Buffer.from("\u0001out"));
      client.send(Buffer.from("\u0002err"));
      client.send(EXIT);
      client.close();
    });
  });
  const process = await Process.spawn(api, "a/b", ["cat"], {
    env: { A_B: "c" },
    tty: { cols: 80, rows: 24 },
  });
  await process.resize({ cols: 1, rows: 2 });
  await process.signal("SIGUSR1");
  await process.end("in");
  const output: string[] = [];
  for await (const { stream, data } of process) output.push(`${stream} ${Buffer.from(data).toString()}`);
  expect(output).toEqual(["stdout out", "stderr err"]);
  expect(await process.wait()).toMatchObject({ exitCode: 3, timedOut: false });
  expect(said).toEqual([
    "/v1/vms/a%2Fb/exec/ws",
    "Bearer thaw_key",
    '{"exec":{"env":{"A_B":"c"},"argv":["cat"]},"stdin":true,"tty":{"cols":80,"rows":24}}',
    '{"type":"resize","cols":1,"rows":2}',
    '{"type":"signal","signal":10}',
    "binary in",
    '{"type":"stdin_end"}',
  ]);
});

test("output that came before the end is read before it; input to what has ended goes nowhere", async () => {
  const api = await serve((client, path) => {
    client.send(Buffer.from(path));
    client.send(EXIT);
    client.close();
  });
  const terminal = await Terminal.open(api, "vm", { cols: 5, rows: 6, command: "a b" });
  const output: string[] = [];
  for await (const piece of terminal) output.push(Buffer.from(piece).toString());
  expect(output).toEqual(["/v1/vms/vm/terminal?cols=5&rows=6&command=a%20b"]);
  await terminal.write("x");
  await terminal.close();
  expect((await terminal.wait()).exitCode).toBe(3);
});

test("a last word that is an error is thrown, by reading and by writing", async () => {
  const api = await serve((client) => {
    client.send(
      JSON.stringify({ type: "error", error: { code: "vm_lost", message: "gone", hint: "start it" } }),
    );
    client.close();
  });
  const terminal = await Terminal.open(api, "vm", {});
  await expect(terminal.wait()).rejects.toMatchObject({ code: "vm_lost", message: "gone", hint: "start it" });
  await terminal.close();
  await expect(terminal.write("x")).rejects.toBeInstanceOf(ThawError);
});

test("a connection that breaks off is no end of a program", async () => {
  const api = await serve((client) => {
    client.send(Buffer.from("half"), () => {
      client.terminate();
    });
  });
  const terminal = await Terminal.open(api, "vm", {});
  const output: string[] = [];
  const read = async (): Promise<void> => {
    for await (const piece of terminal) output.push(Buffer.from(piece).toString());
  };
  await expect(read()).rejects.toBeInstanceOf(ThawConnectionError);
  expect([output, terminal.exit]).toEqual([["half"], undefined]);
});

test("leaving is seen by the server, also when it sends without an end", async () => {
  let left: (() => void) | undefined;
  const gone = new Promise<void>((resolve) => (left = resolve));
  const api = await serve((client) => {
    const more = (): void => {
      client.send(Buffer.alloc(1 << 16), (error) => {
        if (!error) setImmediate(more);
      });
    };
    more();
    client.on("close", () => left?.());
  });
  const terminal = await Terminal.open(api, "vm", {});
  await terminal.close();
  await gone;
  await expect(terminal.wait()).rejects.toBeInstanceOf(ThawConnectionError);
});

test("giving it up while it connects throws the reason", async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const api = new Api(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`, undefined);
  const abort = new AbortController();
  const reason = new Error("enough");
  silent.once("connection", (client) => {
    client.on("error", () => undefined);
    abort.abort(reason);
  });
  await expect(Terminal.open(api, "vm", { signal: abort.signal })).rejects.toBe(reason);
  await new Promise((resolve) => silent.close(resolve));
});

test("nobody there is told with the address", async () => {
  const api = new Api("http://127.0.0.1:1", undefined);
  await expect(Terminal.open(api, "vm", {})).rejects.toMatchObject({
    code: "connection_failed",
    message: expect.stringContaining("http://127.0.0.1:1") as string,
  });
});
