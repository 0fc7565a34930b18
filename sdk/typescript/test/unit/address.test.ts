import { expect, test } from "vitest";

import { Thaw } from "../../src/index.js";
import { filled, queryString } from "../../src/http/address.js";

test("a route's values are encoded, so that none of them leads elsewhere", () => {
  expect(filled("/v1/images/{name}", { name: "a/b:c?d" })).toBe("/v1/images/a%2Fb%3Ac%3Fd");
  expect(() => filled("/v1/vms/{id}", { id: ".." })).toThrow(TypeError);
  expect(() => filled("/v1/vms/{id}", { id: "" })).toThrow(TypeError);
  expect(() => filled("/v1/vms/{id}", {})).toThrow(TypeError);
});

test("a query leaves out what is absent, and carries any bytes", () => {
  const query = { path: Uint8Array.of(0x2f, 0xff, 0x0a), a: undefined, b: null, c: false, d: 0, e: "x y&z" };
  expect(queryString(query)).toBe("?path=%2f%ff%0a&c=false&d=0&e=x%20y%26z");
  expect(queryString({ a: undefined })).toBe("");
});

test("a server below a path keeps it", () => {
  const thaw = new Thaw({ server: "https://example.org/thaw/?x#y" });
  expect(thaw.server).toBe("https://example.org/thaw");
  expect(thaw.functions.url("site", "/a?b=c")).toBe("https://example.org/thaw/v1/functions/site/http/a?b=c");
});

test("a key that no header can hold is refused, and not told", () => {
  const secret = "thaw_secret\n";
  expect(() => new Thaw({ server: "http://127.0.0.1:1", apiKey: secret })).toThrow(/^((?!secret)[^])*$/);
});
