import { expect, test } from "vitest";
import { parseCount, parseEnv, parseObject, parseWeights, parseWords } from "./pairs";

test("an environment has a line for each variable, and values may have equals signs", () => {
  expect(parseEnv("A=1\n\nB=x=y \nC=")).toEqual({ A: "1", B: "x=y ", C: "" });
  expect(() => parseEnv("A")).toThrow("“A” is not KEY=VALUE");
  expect(() => parseEnv("=1")).toThrow("is not KEY=VALUE");
});

test("an object is nothing else", () => {
  expect(parseObject("  ", "metadata")).toBeUndefined();
  expect(parseObject('{"a": 1}', "metadata")).toEqual({ a: 1 });
  expect(() => parseObject("[1]", "metadata")).toThrow("must be a JSON object");
  expect(() => parseObject("{", "metadata")).toThrow("metadata is not JSON");
});

test("a count is whole, or absent", () => {
  expect(parseCount("", "memory")).toBeUndefined();
  expect(parseCount("256", "memory")).toBe(256);
  expect(() => parseCount("1.5", "memory")).toThrow("memory must be a whole number");
  expect(() => parseCount("-1", "memory")).toThrow();
});

test("weights are of versions", () => {
  expect(parseWeights("3")).toEqual({ 3: 1 });
  expect(parseWeights("3=9, 4=1")).toEqual({ 3: 9, 4: 1 });
  expect(() => parseWeights("live=1")).toThrow("is not VERSION");
  expect(() => parseWeights(" ")).toThrow("one version at least");
});

test("quotes hold words together", () => {
  expect(parseWords(`python3 -c 'print(6 * 7)' "a b"c`)).toEqual(["python3", "-c", "print(6 * 7)", "a bc"]);
  expect(parseWords("  ")).toEqual([]);
});
