import { expect, test } from "vitest";
import { appendText, prepend } from "./bounded";

test("the oldest entry goes when a list is full", () => {
  expect(prepend([2, 1], 3, 2)).toEqual([3, 2]);
  expect(prepend([], 1, 2)).toEqual([1]);
});

test("a text keeps its end, from the beginning of a line", () => {
  expect(appendText("", "abc", 10)).toBe("abc");
  expect(appendText("one\ntwo\n", "three\n", 12)).toBe("two\nthree\n");
});

test("one line that is too long is cut where it must be", () => {
  expect(appendText("x".repeat(8), "yyyy", 10)).toBe("xxxxxxyyyy");
});
