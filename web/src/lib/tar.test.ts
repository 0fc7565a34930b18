import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { tarOf } from "./tar";

test("tar reads what is written", () => {
  const text = "print('ä')\n".repeat(100);
  const archive = tarOf("app.py", text);
  expect(execFileSync("tar", ["tf", "-"], { input: archive }).toString()).toBe("app.py\n");
  expect(execFileSync("tar", ["xOf", "-", "app.py"], { input: archive }).toString()).toBe(text);
});

test("a name that a header does not hold is refused", () => {
  expect(() => tarOf("x".repeat(101), "")).toThrow("too long");
});
