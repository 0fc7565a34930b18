// What goes wrong, in one shape.

import type { Schemas } from "./types.js";

/** A code that docs/API.md lists, one of the SDK's own, or one of a newer server. */
export type ThawErrorCode =
  | Schemas["ErrorCode"]
  | "connection_failed"
  | "bad_answer"
  // Keeps the list of known codes for editors.
  | (string & Record<never, never>);

/** What is known of an error. */
export interface ThawErrorDetails {
  /** What mends it. */
  hint?: string | undefined;
  /** The HTTP status. */
  status?: number | undefined;
  /** After how many seconds another try is worth it. */
  retryAfterS?: number | undefined;
  /** What it came of. */
  cause?: unknown;
}

/** The server refused a request, or could not do it. Decide by `code`. */
export class ThawError extends Error {
  override readonly name: string = "ThawError";
  /** What went wrong: a code of the API, `connection_failed` ({@link ThawConnectionError}), or `bad_answer`. */
  readonly code: ThawErrorCode;
  /** What mends it, where that is known. */
  readonly hint: string | undefined;
  /** The HTTP status; undefined where there was none, and when the error came after the answer had begun. */
  readonly status: number | undefined;
  /** After how many seconds another try is worth it; undefined when the server names no time. */
  readonly retryAfterS: number | undefined;

  constructor(code: ThawErrorCode, message: string, details: ThawErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.status = details.status;
    this.retryAfterS = details.retryAfterS;
  }
}

/** The server was not reached, or broke off: `connection_failed`. A request that was sent may have been carried out. */
export class ThawConnectionError extends ThawError {
  override readonly name = "ThawConnectionError";

  constructor(message: string, details: ThawErrorDetails = {}) {
    super("connection_failed", message, details);
  }
}

/** Nobody answered at an address. */
export function notReached(server: string, cause: unknown): ThawConnectionError {
  return new ThawConnectionError(`could not reach ${server}: ${reason(cause)}`, {
    hint: "is `thaw serve` running there? THAW_SERVER, or `server` of `new Thaw`, names another address",
    cause,
  });
}

/** The connection ended before the answer was whole. */
export function brokenOff(server: string, what: string, cause?: unknown): ThawConnectionError {
  const why = cause === undefined ? "" : `: ${reason(cause)}`;
  return new ThawConnectionError(`${server} broke off${why}`, { hint: what, cause });
}

/** The error that an answer describes. */
export function described(body: unknown, details: Omit<ThawErrorDetails, "hint"> = {}): ThawError {
  const error = field(body, "error");
  const code = field(error, "code");
  if (typeof code !== "string") {
    const status = details.status === undefined ? "an error" : `status ${details.status}`;
    return new ThawError("bad_answer", `the server answered with ${status} and no description`, {
      ...details,
      hint: "is it Thaw that answers at this address?",
    });
  }
  const [message, hint] = [field(error, "message"), field(error, "hint")];
  return new ThawError(code, typeof message === "string" ? message : code, {
    ...details,
    hint: typeof hint === "string" ? hint : undefined,
  });
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function reason(cause: unknown): string {
  // Where a name has several addresses, Node tells of all of them and says nothing itself.
  if (cause instanceof AggregateError) return cause.errors.map(reason).join("; ");
  return cause instanceof Error ? cause.message : String(cause);
}
