/** What stands inside a line of Markdown. HTML is text here, like any other. */

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "strong" | "em"; inside: Inline[] }
  | { kind: "link"; href: string; inside: Inline[] };

/** Only these lead out of a page without running anything in it. */
const SAFE_LINK = /^(https?:\/\/|mailto:)/i;

// Code, images (as their text), links, strong, emphasis; each ends in the same line and holds no mark of its own kind.
const MARK =
  /`([^`]+)`|!?\[([^\][]*)\]\(([^()\s]*)(?:\s+"[^"]*")?\)|<(https?:\/\/[^\s<>]+)>|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\b_([^_\s][^_]*)_\b/g;

/** Reads a line. */
export function parseInline(line: string): Inline[] {
  const parts: Inline[] = [];
  let from = 0;
  const text = (until: number) => {
    if (until > from) parts.push({ kind: "text", text: line.slice(from, until) });
  };
  for (const match of line.matchAll(MARK)) {
    text(match.index);
    from = match.index + match[0].length;
    parts.push(...marked(match));
  }
  text(line.length);
  return parts;
}

function marked([whole, code, label, href, bare, strong, star, under]: RegExpMatchArray): Inline[] {
  if (code !== undefined) return [{ kind: "code", text: code }];
  if (bare !== undefined) return [{ kind: "link", href: bare, inside: [{ kind: "text", text: bare }] }];
  if (label !== undefined && href !== undefined) {
    const inside = parseInline(label);
    const image = whole.startsWith("!");
    return !image && SAFE_LINK.test(href) ? [{ kind: "link", href, inside }] : inside;
  }
  if (strong !== undefined) return [{ kind: "strong", inside: parseInline(strong) }];
  return [{ kind: "em", inside: parseInline(star ?? under ?? "") }];
}
