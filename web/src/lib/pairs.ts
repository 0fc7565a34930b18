/** What people type into forms as text, as values. Mistakes are thrown as sentences to show. */

/** Lines `KEY=VALUE` as an object; empty lines are skipped. */
export function parseEnv(text: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const equals = line.indexOf("=");
    if (equals < 1) throw new Error(`“${line.trim()}” is not KEY=VALUE`);
    env[line.slice(0, equals).trim()] = line.slice(equals + 1);
  }
  return env;
}

/** A JSON object; an empty text is none. */
export function parseObject(text: string, what: string): Record<string, never> | undefined {
  if (text.trim() === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${what} is not JSON: ${error instanceof Error ? error.message : "it can't be read"}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${what} must be a JSON object, such as {"user": "ada"}`);
  }
  // The description calls such objects `object`, which the generated types make an object of no known field.
  return value as Record<string, never>;
}

/** A whole number, or undefined where nothing was typed. */
export function parseCount(text: string, what: string): number | undefined {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`${what} must be a whole number`);
  return value;
}

/** Versions and their weights, typed as `3=9 4=1`, or one version alone. */
export function parseWeights(text: string): Record<string, number> {
  const weights: Record<string, number> = {};
  for (const part of text.split(/[\s,]+/)) {
    if (part === "") continue;
    const match = /^(\d+)(?:=(\d+(?:\.\d+)?))?$/.exec(part);
    if (!match?.[1]) throw new Error(`“${part}” is not VERSION or VERSION=WEIGHT`);
    weights[match[1]] = Number(match[2] ?? 1);
  }
  if (Object.keys(weights).length === 0) throw new Error("an alias leads to one version at least");
  return weights;
}

/** Words of a command line; quotes hold words together. */
export function parseWords(text: string): string[] {
  const words: string[] = [];
  for (const match of text.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)) {
    words.push(
      match[0].replace(
        /"([^"]*)"|'([^']*)'/g,
        (_, double: string | undefined, single: string | undefined) => double ?? single ?? "",
      ),
    );
  }
  return words;
}
