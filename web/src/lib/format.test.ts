import { expect, test } from "vitest";
import { bytes, count, micros, mib, shortDigest, span } from "./format";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [70_000, "68.4 KiB"],
  [104_243_200, "99.4 MiB"],
  [256 * 1024 * 1024, "256 MiB"],
])("%d bytes are %s", (number, text) => {
  expect(bytes(number)).toBe(text);
});

test("MiB are bytes too", () => {
  expect(mib(4096)).toBe("4.0 GiB");
});

test.each([
  [0, "0 µs"],
  [860, "860 µs"],
  [12_400, "12.4 ms"],
  [186_200, "186 ms"],
  [3_747_000, "3.7 s"],
])("%d µs are %s", (number, text) => {
  expect(micros(number)).toBe(text);
});

test.each([
  [-3, "0 s"],
  [59, "59 s"],
  [61, "1 min"],
  [7200, "2 h"],
  [200_000, "2 d"],
])("%d seconds are %s", (number, text) => {
  expect(span(number)).toBe(text);
});

test("a digest is cut, a name is not", () => {
  expect(shortDigest("sha256:218506b795f94f87f055")).toBe("218506b795f9");
  expect(shortDigest("python")).toBe("python");
});

test("one is not many", () => {
  expect(count(1, "VM")).toBe("1 VM");
  expect(count(0, "VM")).toBe("0 VMs");
});
