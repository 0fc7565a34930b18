import { expect, test } from "vitest";
import { parseMarkdown } from "./blocks";

const kinds = (source: string) => parseMarkdown(source).map((block) => block.kind);

test("a README's blocks are told apart", () => {
  const source =
    "# Title\n\ntext\nmore\n\n- a\n- b\n  - c\n\n1. x\n\n> quoted\n\n---\n\n```sh\n# no heading\n```\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n";
  expect(kinds(source)).toEqual(["heading", "paragraph", "list", "list", "quote", "rule", "code", "table"]);
});

test("lists lie inside of lists", () => {
  const [list] = parseMarkdown("- a\n  - b\n- c");
  expect(list).toMatchObject({
    kind: "list",
    items: [[{ kind: "paragraph" }, { kind: "list" }], [{ kind: "paragraph" }]],
  });
});

test("code that is never closed goes to the end", () => {
  expect(parseMarkdown("```\na\nb")).toEqual([{ kind: "code", text: "a\nb" }]);
});

test("HTML is text", () => {
  expect(parseMarkdown("<script>alert(1)</script>")).toEqual([
    { kind: "paragraph", inside: [{ kind: "text", text: "<script>alert(1)</script>" }] },
  ]);
});

test("what is nested without an end is read in the end", () => {
  const source = "> ".repeat(5000) + "x\n" + "- ".repeat(5000) + "y";
  expect(parseMarkdown(source).length).toBeGreaterThan(0);
});

test("a long line of marks takes no long time", () => {
  const begun = performance.now();
  parseMarkdown(
    `${"*a ".repeat(20_000)}\n${"[".repeat(20_000)}\n${"`".repeat(20_001)}\n| ${"-".repeat(20_000)}x`,
  );
  expect(performance.now() - begun).toBeLessThan(2000);
});

test("a long run of spaces in a heading or a table takes no long time", () => {
  const begun = performance.now();
  const spaces = " ".repeat(20_000);
  parseMarkdown(`# a${spaces}x\n\na | b\n${spaces}x\n\n# b ${"#".repeat(20_000)}x`);
  expect(performance.now() - begun).toBeLessThan(2000);
});
