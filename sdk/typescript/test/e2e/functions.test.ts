import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Progress } from "../../src/index.js";
import { fresh, headers, thaw } from "./client.js";

const CODE = `
import sys

def handle(event, context):
    print("got", event)
    if isinstance(event, bytes):
        return event[::-1]
    if event and event.get("fail"):
        raise ValueError("as asked")
    return {"hello_there": event and event["name"], "version": context.function_version}

def pieces(event, context):
    for number in range(3):
        yield f"piece {number}\\n"
`;

const name = fresh("sdk");
const reports: Progress[] = [];

beforeAll(async () => {
  const deployed = await thaw.functions.deploy({
    name,
    image: "python",
    kind: "python",
    handler: "app.handle",
    env: { SOME_NAME: "1" },
    code: { "app.py": CODE },
    onProgress: (report) => void reports.push(report),
  });
  expect(deployed).toMatchObject({ name, newest: { version: 1, handler: "app.handle", env: ["SOME_NAME"] } });
}, 60_000);

afterAll(async () => {
  await thaw.functions.delete(name);
  await expect(thaw.functions.get(name)).rejects.toMatchObject({ code: "function_not_found" });
});

describe("a function", () => {
  test("its making was told, and it is there", async () => {
    expect(reports.length).toBeGreaterThan(0);
    expect((await thaw.functions.list()).map((each) => each.name)).toContain(name);
    expect(await thaw.functions.versions(name)).toHaveLength(1);
  });

  test("it returns what its handler does, with the user's names as they are", async () => {
    const done = await thaw.functions.invoke(name, { name: "Ada" });
    expect(done.result).toEqual({ hello_there: "Ada", version: "1" });
    expect(done).toMatchObject({ error: null, version: 1 });
    expect(done.timingsUs.total).toBeGreaterThan(0);
    const [log] = await thaw.functions.logs(name, { requestId: done.requestId });
    expect(log).toMatchObject({ requestId: done.requestId, version: 1, truncated: false });
    expect(log?.text).toContain("got {'name': 'Ada'}");
  });

  test("bytes go in and come out as they are", async () => {
    const done = await thaw.functions.invoke(name, Uint8Array.of(0, 255, 10));
    expect(done.result).toEqual(Uint8Array.of(10, 255, 0));
  });

  test("what it does wrong is told and not thrown", async () => {
    const done = await thaw.functions.invoke(name, { fail: true }, { requestId: fresh("failing") });
    expect(done.error).toMatchObject({ kind: "raised", errorType: "ValueError", errorMessage: "as asked" });
    expect(done.error?.stackTrace.length).toBeGreaterThan(0);
    const [log] = await thaw.functions.logs(name, { errors: true });
    expect(log?.requestId).toBe(done.requestId);
  });

  test("its logs are followed", async () => {
    const abort = new AbortController();
    const logs = thaw.functions.followLogs(name, { signal: abort.signal });
    const seen = new Set<string>();
    const { requestId } = await thaw.functions.invoke(name, { name: "follow" });
    for await (const log of logs) {
      seen.add(log.requestId);
      if (log.requestId === requestId) break;
    }
    expect(seen).toContain(requestId);
  });

  test("an event is served later, and its result is kept", async () => {
    const requestId = fresh("later");
    expect(await thaw.functions.invokeAsync(name, { name: "later" }, { requestId })).toBe(requestId);
    const abort = new AbortController();
    for await (const log of thaw.functions.followLogs(name, { requestId, signal: abort.signal })) {
      expect(log.text).toContain("later");
      break;
    }
    // The log is written before the event is marked as done: both come at their own time.
    let event = await thaw.functions.events.get(name, requestId);
    while (event.state === "queued") event = await thaw.functions.events.get(name, requestId);
    expect(event).toMatchObject({ id: requestId, state: "done", attempts: 0 });
    expect(JSON.parse(Buffer.from(event.resultBase64 ?? "", "base64").toString())).toMatchObject({
      hello_there: "later",
    });
    expect((await thaw.functions.events.list(name, { state: "done" })).map((each) => each.id)).toContain(
      requestId,
    );
    await thaw.functions.events.delete(name, requestId);
    await expect(thaw.functions.events.get(name, requestId)).rejects.toMatchObject({
      code: "function_event_not_found",
    });
  });

  test("another version streams; aliases lead to either, and back", async () => {
    const { newest } = await thaw.functions.deploy({
      name,
      image: "python",
      kind: "python",
      handler: "app.pieces",
      code: { "app.py": CODE },
    });
    expect(newest.version).toBe(2);
    const stream = await thaw.functions.invokeStream(name, {});
    let text = "";
    for await (const piece of stream) text += Buffer.from(piece).toString();
    expect([stream.error, stream.version, text]).toEqual([null, 2, "piece 0\npiece 1\npiece 2\n"]);

    expect((await thaw.functions.alias(name, "live", 1)).versions).toEqual({ "1": 1 });
    expect((await thaw.functions.invoke(name, { name: "x" }, { qualifier: "live" })).version).toBe(1);
    await thaw.functions.alias(name, "live", 2);
    await expect(thaw.functions.deleteVersion(name, 2)).rejects.toMatchObject({
      code: "function_version_in_use",
    });
    expect((await thaw.functions.rollback(name, "live")).versions).toEqual({ "1": 1 });
    await thaw.functions.deleteAlias(name, "live");
    await thaw.functions.deleteVersion(name, 1);
    expect((await thaw.functions.versions(name)).map((each) => each.version)).toEqual([2]);
  });
});

test("code whose initialisation fails is an error that says what it said", async () => {
  const deployed = thaw.functions.deploy({
    name: fresh("broken"),
    image: "python",
    kind: "python",
    handler: "app.handle",
    code: { "app.py": "raise RuntimeError('not today')" },
  });
  await expect(deployed).rejects.toMatchObject({
    code: "function_init_failed",
    message: expect.stringContaining("not today") as string,
  });
});

test("a function of kind http answers at its address", async () => {
  const site = fresh("site");
  await thaw.functions.deploy({
    name: site,
    image: "python",
    kind: "http",
    command: ["python3", "-m", "http.server", "8080"],
    code: { "index.html": "<p>hello" },
  });
  try {
    const answer = await globalThis.fetch(thaw.functions.url(site, "/index.html"), { headers });
    expect([answer.status, await answer.text()]).toEqual([200, "<p>hello"]);
  } finally {
    await thaw.functions.delete(site);
  }
}, 60_000);
