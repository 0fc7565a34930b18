import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

import { tarOf } from "../../src/index.js";
import { form } from "../../src/multipart.js";

test("tar reads what was packed", () => {
  const archive = tarOf({ "app.py": "print(1)\n", "a/ü.bin": new Uint8Array(513).fill(7), empty: "" });
  expect(archive.length % 512).toBe(0);
  const tar = (...args: string[]): Buffer => execFileSync("tar", args, { input: archive });
  expect(tar("t", "--quoting-style=literal").toString()).toBe("app.py\na/ü.bin\nempty\n");
  expect(tar("xO", "app.py").toString()).toBe("print(1)\n");
  expect(tar("xO", "--no-recursion", "a/ü.bin").equals(Buffer.alloc(513, 7))).toBe(true);
});

test("a name that does not fit is refused", () => {
  expect(() => tarOf({ ["x".repeat(101)]: "" })).toThrow(TypeError);
  expect(() => tarOf({ "": "" })).toThrow(TypeError);
});

test("a form has its parts between its boundaries", () => {
  const { type, data } = form([{ name: "code", type: "a/b", data: Uint8Array.of(65), fileName: "code" }]);
  const boundary = /boundary=(.*)$/.exec(type)?.[1] ?? "";
  expect(Buffer.from(data).toString()).toBe(
    `--${boundary}\r\nContent-Disposition: form-data; name="code"; filename="code"\r\nContent-Type: a/b\r\n\r\nA\r\n--${boundary}--\r\n`,
  );
});
