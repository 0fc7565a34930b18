/** Errors as the API tells them, and whatever else can go wrong on the way to it, for people to read. */
import type { ErrorDetail } from "./types";

/** What is shown of an error. */
export interface Problem {
  message: string;
  hint?: string;
  code?: string;
}

/** The API refused, or failed. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly detail: Problem,
  ) {
    super(detail.message);
  }
}

function isDetail(value: unknown): value is ErrorDetail {
  return (
    typeof value === "object" && value !== null && "message" in value && typeof value.message === "string"
  );
}

/** What a parsed error body says, or null when it is none of the API's. */
export function problemOf(body: unknown): Problem | null {
  if (typeof body !== "object" || body === null || !("error" in body) || !isDetail(body.error)) return null;
  const { message, hint, code } = body.error;
  return { message, code, ...(hint ? { hint } : {}) };
}

/** The error that a body's text tells, also where something between us and the daemon wrote it. */
export function errorOfText(status: number, text: string): ApiError {
  let problem: Problem | null = null;
  try {
    problem = problemOf(JSON.parse(text));
  } catch {
    // Not JSON: a proxy's page, or nothing.
  }
  return new ApiError(status, problem ?? { message: `the server answered with status ${status}` });
}

/** What browsers say where a connection could not be had or broke; they have no other way to tell. */
const UNREACHABLE = /^(failed to fetch|networkerror|network error|load failed|error in input stream)/i;

/** What to show of anything that was thrown. */
export function describe(error: unknown): Problem {
  if (error instanceof ApiError) return error.detail;
  if (error instanceof TypeError && UNREACHABLE.test(error.message)) {
    return {
      message: "the server does not answer",
      hint: "is `thaw serve` running, and reachable from here?",
    };
  }
  if (error instanceof Error) return { message: error.message };
  return { message: String(error) };
}

/** Whether a request was given up by us, which nobody wants to hear about. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
