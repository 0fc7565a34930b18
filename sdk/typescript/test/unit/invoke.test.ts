import { expect, test } from "vitest";

import { timingsOf, value } from "../../src/invoke.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a result is read as its media type says", () => {
  expect(value(bytes('{"a_b":1}'), "application/json; charset=utf-8")).toEqual({ a_b: 1 });
  expect(value(bytes('{"a":1}'), "application/problem+json")).toEqual({ a: 1 });
  expect(value(bytes("hello"), "text/plain")).toBe("hello");
  expect(value(bytes("{}"), "application/octet-stream")).toEqual(bytes("{}"));
  expect(value(bytes("no json"), "application/json")).toEqual(bytes("no json"));
});

test("times are read by their names, and what is not known is left out", () => {
  expect(timingsOf("daemon=1, queue=2, news=9, restore=3, resume=4, connect=5, exec=6, total=21")).toEqual({
    daemon: 1,
    queue: 2,
    restore: 3,
    resume: 4,
    connect: 5,
    exec: 6,
    total: 21,
  });
});
