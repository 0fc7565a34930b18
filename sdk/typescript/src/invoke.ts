// Giving an event to a function, and what comes of it.

import { bytesOf, type ByteStream, collected, textOf } from "./bytes.js";
import { ThawError } from "./errors.js";
import type { Api } from "./http/api.js";
import type { Incoming } from "./http/transport.js";
import type { CallOptions, StartKind, TimingsUs } from "./types.js";

/** How to give an event. Giving the call up ends the function in the middle of it. */
export interface InvokeOptions extends CallOptions {
  /** A version's number or an alias; the newest version when absent. */
  qualifier?: string | undefined;
  /** The event's media type: `application/octet-stream` for bytes when absent, `application/json` for all else. */
  contentType?: string | undefined;
  /** The invocation's id, 1 to 64 of `a-z A-Z 0-9 - _`; the server makes one when absent. */
  requestId?: string | undefined;
}

/** What a function did wrong, which is no error of the call. */
export interface FunctionError {
  /** `raised`, `restore_failed`, `timed_out`, `ended` or `result_too_large`. */
  kind: string;
  /** The error's class, or a name of the runtime's, such as `Runtime.OutOfMemory`. */
  errorType: string;
  /** What the function said. */
  errorMessage: string;
  /** Where, as the function's language has it; empty where it is not known. */
  stackTrace: string[];
}

/** Who served an event. */
export interface Served {
  /** The invocation's id, under which the logs have it. */
  requestId: string;
  /** The version that served it. */
  version: number;
  /** The VM that it ran in. */
  vmId: string;
  /** How that came to be. */
  start: StartKind;
  /** The result's media type. */
  contentType: string;
}

/** What came of an event. */
export interface InvokeResult extends Served {
  /** What it returned: JSON parsed, `text/*` as a string, else bytes. Of what went wrong its description. */
  result: unknown;
  /** The same, byte for byte. */
  body: Uint8Array;
  /** What went wrong; null when it returned. */
  error: FunctionError | null;
  /** Where the time went, in microseconds. */
  timingsUs: TimingsUs;
}

/** A result in pieces, as the function makes them. One that goes wrong after its first piece throws {@link ThawConnectionError}. */
export interface InvokeStream extends Served, AsyncIterable<Uint8Array> {
  /** What it was when it went wrong before its first piece: `raised` and so on; the pieces describe it then. Else null. */
  error: string | null;
}

/** Gives an event and waits for its result. */
export async function invoke(
  api: Api,
  name: string,
  event: unknown,
  options: InvokeOptions,
): Promise<InvokeResult> {
  const answer = await given(api, name, event, undefined, options);
  const body = await collected(answer.body);
  const served = servedBy(answer);
  const result = value(body, served.contentType);
  const kind = answer.header("x-thaw-function-error");
  const timings = timingsOf(answer.header("x-thaw-timings-us") ?? "");
  return {
    ...served,
    result,
    body,
    error: kind === undefined ? null : described(kind, result),
    timingsUs: timings,
  };
}

/** Gives an event and returns when the first piece of its result is there. */
export async function invokeStream(
  api: Api,
  name: string,
  event: unknown,
  options: InvokeOptions,
): Promise<InvokeStream> {
  const answer = await given(api, name, event, "stream", options);
  const error = answer.header("x-thaw-function-error") ?? null;
  const pieces: ByteStream = answer.body;
  return { ...servedBy(answer), error, [Symbol.asyncIterator]: () => pieces[Symbol.asyncIterator]() };
}

/** Queues an event durably and returns its id. */
export async function invokeAsync(
  api: Api,
  name: string,
  event: unknown,
  options: InvokeOptions,
): Promise<string> {
  const answer = await given(api, name, event, "async", options);
  const { id } = JSON.parse(textOf(await collected(answer.body))) as { id: string };
  return id;
}

function given(
  api: Api,
  name: string,
  event: unknown,
  mode: "stream" | "async" | undefined,
  { qualifier, contentType, requestId, signal }: InvokeOptions,
): Promise<Incoming> {
  const isBytes = event instanceof Uint8Array;
  const type = contentType ?? (isBytes ? "application/octet-stream" : "application/json");
  const content = { type, data: isBytes ? event : written(event, type) };
  const headers: Record<string, string> = { accept: "*/*" };
  if (requestId !== undefined) headers["x-thaw-request-id"] = requestId;
  const call = { path: { name }, query: { qualifier, mode }, content, headers, signal };
  return api.raw("post", "/v1/functions/{name}/invoke", call);
}

/** Text of a media type of its own is sent as it is, everything else as JSON; nothing is `null`. */
function written(event: unknown, type: string): Uint8Array {
  if (typeof event === "string" && !isJson(type)) return bytesOf(event);
  return bytesOf(JSON.stringify(event ?? null));
}

function servedBy(answer: Incoming): Served {
  const [requestId, version] = [answer.header("x-thaw-request-id"), answer.header("x-thaw-version")];
  if (requestId === undefined || version === undefined) {
    throw new ThawError("bad_answer", "the answer does not say which invocation it is of");
  }
  return {
    requestId,
    version: Number(version),
    vmId: answer.header("x-thaw-vm-id") ?? "",
    start: (answer.header("x-thaw-start") ?? "restored") as StartKind,
    contentType: answer.header("content-type") ?? "application/octet-stream",
  };
}

/** A body as its media type says. What calls itself JSON and is none stays bytes. */
export function value(body: Uint8Array, contentType: string): unknown {
  if (/^text\//i.test(contentType)) return textOf(body);
  if (!isJson(contentType)) return body;
  try {
    return JSON.parse(textOf(body)) as unknown;
  } catch {
    return body;
  }
}

/** `daemon=1, queue=2` and so on, by name. */
export function timingsOf(header: string): TimingsUs {
  const stages = { daemon: 0, queue: 0, restore: 0, resume: 0, connect: 0, exec: 0, total: 0 };
  for (const [, name, us] of header.matchAll(/([a-z]+)=(\d+)/g)) {
    if (name !== undefined && name in stages) stages[name as keyof typeof stages] = Number(us);
  }
  return stages;
}

function described(kind: string, result: unknown): FunctionError {
  const fields = (typeof result === "object" && result !== null ? result : {}) as Record<string, unknown>;
  const { errorType, errorMessage, stackTrace } = fields;
  return {
    kind,
    errorType: typeof errorType === "string" ? errorType : "",
    errorMessage: typeof errorMessage === "string" ? errorMessage : "",
    stackTrace: Array.isArray(stackTrace) ? stackTrace.map(String) : [],
  };
}

function isJson(contentType: string): boolean {
  return /^application\/([a-z0-9.+-]+\+)?json\b/i.test(contentType);
}
