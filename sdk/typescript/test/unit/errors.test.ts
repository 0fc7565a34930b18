import { expect, test } from "vitest";

import { described, notReached } from "../../src/errors.js";
import { failure } from "../../src/http/api.js";

const pieces = (text: string): Uint8Array[] => [new TextEncoder().encode(text)];

test("an answer's error keeps its code, message, hint, status and time", () => {
  const body = '{"error": {"code": "pool_full", "message": "full", "hint": "wait"}}';
  expect(failure(429, pieces(body), "2")).toMatchObject({
    name: "ThawError",
    code: "pool_full",
    message: "full",
    hint: "wait",
    status: 429,
    retryAfterS: 2,
  });
});

test("an answer of something else is told apart", () => {
  for (const body of ["<html>", "", "null", '{"error": "no"}']) {
    expect(failure(502, pieces(body))).toMatchObject({
      code: "bad_answer",
      status: 502,
      retryAfterS: undefined,
    });
  }
});

test("codes of newer servers are taken as they are", () => {
  expect(described({ error: { code: "something_new", message: "m" } })).toMatchObject({
    code: "something_new",
  });
});

test("of a name with several addresses all are told", () => {
  const both = new AggregateError([new Error("one refused"), new Error("two refused")]);
  expect(notReached("http://localhost:1", both).message).toBe(
    "could not reach http://localhost:1: one refused; two refused",
  );
});
