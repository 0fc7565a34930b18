// Names: camel case here, snake case on the wire. What users name themselves stays as it is.

/** Fields that hold an object whose keys are names of users, such as variables of an environment. */
export const MAPS: ReadonlySet<string> = new Set([
  "env",
  "metadata",
  "metadataMerge",
  "previous",
  "versions",
]);

/** `timeout_ms` as `timeoutMs`. */
export function camel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** `timeoutMs` as `timeout_ms`. */
export function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A value as it came, with the SDK's names. */
export function fromWire(value: unknown): unknown {
  return renamed(value, camel, (_, here) => here);
}

/** A value as it is sent, with the API's names. */
export function toWire(value: unknown): unknown {
  return renamed(value, snake, (here) => here);
}

/** `sdkName` picks a field's name in camel case out of the name before and the name after. */
function renamed(
  value: unknown,
  rename: (name: string) => string,
  sdkName: (before: string, after: string) => string,
): unknown {
  if (Array.isArray(value)) return value.map((each) => renamed(each, rename, sdkName));
  if (!isObject(value)) return value;
  const fields = Object.entries(value).map(([before, field]) => {
    const after = rename(before);
    const isMap = MAPS.has(sdkName(before, after)) && isObject(field);
    return [after, isMap ? field : renamed(field, rename, sdkName)] as const;
  });
  return Object.fromEntries(fields);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
