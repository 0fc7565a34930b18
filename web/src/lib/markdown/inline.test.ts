import { expect, test } from "vitest";
import { parseInline } from "./inline";

test("marks are read, and what is between them is text", () => {
  expect(parseInline("a **b** `c*d*` *e*")).toEqual([
    { kind: "text", text: "a " },
    { kind: "strong", inside: [{ kind: "text", text: "b" }] },
    { kind: "text", text: " " },
    { kind: "code", text: "c*d*" },
    { kind: "text", text: " " },
    { kind: "em", inside: [{ kind: "text", text: "e" }] },
  ]);
});

test("only links that lead out are links", () => {
  expect(parseInline("[x](https://example.org/a)")).toEqual([
    { kind: "link", href: "https://example.org/a", inside: [{ kind: "text", text: "x" }] },
  ]);
  for (const href of ["javascript:alert", "data:text/html,x", "/v1/logout", "//host", "vbscript:x"]) {
    expect(parseInline(`[x](${href})`)).toEqual([{ kind: "text", text: "x" }]);
  }
});

test("an image is its text: nothing is loaded from elsewhere", () => {
  expect(parseInline("![a picture](https://example.org/x.png)")).toEqual([
    { kind: "text", text: "a picture" },
  ]);
});

test("names with underscores stay", () => {
  expect(parseInline("snake_case_name 2*3*4")).toEqual([
    { kind: "text", text: "snake_case_name 2" },
    { kind: "em", inside: [{ kind: "text", text: "3" }] },
    { kind: "text", text: "4" },
  ]);
});
