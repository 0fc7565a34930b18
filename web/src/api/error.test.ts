import { expect, test } from "vitest";
import { ApiError, describe, errorOfText, isAbort, problemOf } from "./error";

test("an error of the API has its message, its hint and its code", () => {
  const error = errorOfText(
    409,
    '{"error":{"code":"vm_paused","message":"it is paused","hint":"resume it"}}',
  );
  expect(error).toBeInstanceOf(ApiError);
  expect(error.status).toBe(409);
  expect(describe(error)).toEqual({ code: "vm_paused", message: "it is paused", hint: "resume it" });
});

test("a hint that is not there is not shown", () => {
  expect(problemOf({ error: { code: "internal", message: "it failed", hint: null } })).toEqual({
    code: "internal",
    message: "it failed",
  });
});

test.each(["", "<html>Bad gateway</html>", "null", "{}", '{"error":"text"}'])(
  "a body %j is told by its status",
  (body) => {
    expect(describe(errorOfText(502, body)).message).toBe("the server answered with status 502");
  },
);

test("a server that does not answer is told as such", () => {
  expect(describe(new TypeError("Failed to fetch")).message).toBe("the server does not answer");
});

test("whatever else is thrown is never an object's name", () => {
  expect(describe("text").message).toBe("text");
  expect(describe(new Error("said")).message).toBe("said");
});

test("giving up is no error", () => {
  expect(isAbort(new DOMException("", "AbortError"))).toBe(true);
  expect(isAbort(new Error("other"))).toBe(false);
});
