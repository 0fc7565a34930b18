/** Markdown as blocks: enough for a README, and nothing that could be HTML. */
import { parseInline, type Inline } from "./inline";

export type Block =
  | { kind: "heading"; level: number; inside: Inline[] }
  | { kind: "paragraph"; inside: Inline[] }
  | { kind: "code"; text: string }
  | { kind: "quote"; inside: Block[] }
  | { kind: "list"; ordered: boolean; items: Block[][] }
  | { kind: "table"; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

/** Quotes and lists inside of each other any deeper are paragraphs. */
const MOST_DEPTH = 8;

const FENCE = /^ {0,3}(```+|~~~+)/;
const HEADING = /^ {0,3}(#{1,6})\s(.*)$/;
const RULE = /^ {0,3}([-*_])\s*(?:\1\s*){2,}$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])\s+/;
const QUOTE = /^ {0,3}> ?/;
const TABLE_RULE_CELL = /^:?-+:?$/;

/** A heading's text without the marks that may close it. By hand: an expression would take its time with long lines. */
function headingText(line: string): string {
  const text = line.trim();
  let end = text.length;
  while (end > 0 && text[end - 1] === "#") end -= 1;
  return text.slice(0, end).trimEnd();
}

/** Whether a line stands between a table's head and its rows. */
function isTableRule(line: string): boolean {
  const cells = line.split("|").map((cell) => cell.trim());
  if (cells[0] === "") cells.shift();
  if (cells.at(-1) === "") cells.pop();
  return cells.length > 0 && cells.every((cell) => TABLE_RULE_CELL.test(cell));
}

class Lines {
  #at = 0;

  constructor(readonly all: readonly string[]) {}

  peek(ahead = 0): string | undefined {
    return this.all[this.#at + ahead];
  }

  take(): string {
    this.#at += 1;
    return this.all[this.#at - 1] ?? "";
  }

  /** Takes lines for as long as they are wanted. */
  while(wanted: (line: string) => boolean): string[] {
    const taken: string[] = [];
    for (let line = this.peek(); line !== undefined && wanted(line); line = this.peek())
      taken.push(this.take());
    return taken;
  }
}

/** Reads a document. */
export function parseMarkdown(source: string): Block[] {
  return parse(source.replace(/\r\n?/g, "\n").split("\n"), 0);
}

function parse(all: readonly string[], depth: number): Block[] {
  const lines = new Lines(all);
  const blocks: Block[] = [];
  for (let line = lines.peek(); line !== undefined; line = lines.peek()) {
    if (line.trim() === "") lines.take();
    else blocks.push(block(lines, line, depth));
  }
  return blocks;
}

function block(lines: Lines, line: string, depth: number): Block {
  const fence = FENCE.exec(line)?.[1];
  if (fence !== undefined) return fenced(lines, fence);
  const heading = HEADING.exec(line);
  if (heading) {
    lines.take();
    return {
      kind: "heading",
      level: heading[1]?.length ?? 1,
      inside: parseInline(headingText(heading[2] ?? "")),
    };
  }
  if (RULE.test(line)) {
    lines.take();
    return { kind: "rule" };
  }
  if (line.includes("|") && isTableRule(lines.peek(1) ?? "")) return table(lines);
  if (depth < MOST_DEPTH && QUOTE.test(line)) {
    const inside = lines.while((each) => QUOTE.test(each)).map((each) => each.replace(QUOTE, ""));
    return { kind: "quote", inside: parse(inside, depth + 1) };
  }
  if (depth < MOST_DEPTH && ITEM.test(line)) return list(lines, /^\s*\d/.test(line), depth);
  return paragraph(lines, depth);
}

function fenced(lines: Lines, fence: string): Block {
  lines.take();
  const text = lines.while((line) => !line.trimStart().startsWith(fence));
  lines.take();
  return { kind: "code", text: text.join("\n") };
}

function paragraph(lines: Lines, depth: number): Block {
  const first = lines.take();
  const begins = (line: string) =>
    line.trim() === "" ||
    FENCE.test(line) ||
    HEADING.test(line) ||
    RULE.test(line) ||
    (depth < MOST_DEPTH && (QUOTE.test(line) || ITEM.test(line)));
  const rest = lines.while((line) => !begins(line));
  return { kind: "paragraph", inside: parseInline([first, ...rest].map((line) => line.trim()).join(" ")) };
}

function list(lines: Lines, ordered: boolean, depth: number): Block {
  const items: Block[][] = [];
  const same = (line: string | undefined) =>
    line !== undefined && ITEM.test(line) && /^\s*\d/.test(line) === ordered;
  while (same(lines.peek())) {
    const first = lines.take();
    const indent = ITEM.exec(first)?.[0].length ?? 2;
    const belongs = (line: string) =>
      line.startsWith(" ".repeat(Math.min(indent, 2))) ||
      (line.trim() === "" && /^\s+\S/.test(lines.peek(1) ?? ""));
    const rest = lines.while(belongs).map((line) => line.replace(new RegExp(`^ {0,${indent}}`), ""));
    items.push(parse([first.slice(indent), ...rest], depth + 1));
    if (lines.peek()?.trim() === "" && same(lines.peek(1))) lines.take();
  }
  return { kind: "list", ordered, items };
}

function cells(line: string): Inline[][] {
  return line
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => parseInline(cell.trim()));
}

function table(lines: Lines): Block {
  const head = cells(lines.take());
  lines.take();
  return {
    kind: "table",
    head,
    rows: lines.while((line) => line.includes("|") && line.trim() !== "").map(cells),
  };
}
