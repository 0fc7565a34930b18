/** What can be done with functions. */
import { signal } from "@preact/signals";
import { address, call, demand } from "../../api/client";
import type { DeployFunctionRequest, FunctionInfo, ProgressEvent } from "../../api/types";
import { work } from "../../api/work";

/** It counts up when this page has changed a function; the API tells no events of them. */
export const functionChanges = signal(0);

export function functionChanged(): void {
  functionChanges.value += 1;
}

/** Deploys a function and tells how that goes on. */
export async function deploy(
  request: DeployFunctionRequest,
  code: Blob | null,
  onProgress: (progress: ProgressEvent) => void,
  signal: AbortSignal,
): Promise<FunctionInfo> {
  const form = new FormData();
  form.set("function", new Blob([JSON.stringify(request)], { type: "application/json" }));
  if (code) form.set("code", code, "code");
  const deployed = await work<FunctionInfo>(
    address("post", "/v1/functions", {}),
    { method: "POST", body: form, signal },
    onProgress,
  );
  functionChanged();
  return deployed;
}

/** What a function made of an event. */
export interface Invocation {
  requestId: string | null;
  /** How it went wrong, in the word of the header; null when it returned. */
  wrong: string | null;
  text: string;
  /** As the browser measured it. */
  tookMs: number;
}

/** Gives an event to a function and waits for what it returns. */
export async function invoke(
  name: string,
  event: string,
  qualifier: string | null,
  signal: AbortSignal,
): Promise<Invocation> {
  const url = address("post", "/v1/functions/{name}/invoke", {
    path: { name },
    query: qualifier === null ? {} : { qualifier },
  });
  const begun = performance.now();
  const response = await demand(url, {
    method: "POST",
    body: event,
    headers: { "Content-Type": "application/json" },
    signal,
  });
  const text = await response.text();
  const tookMs = performance.now() - begun;
  const { headers } = response;
  return {
    requestId: headers.get("x-thaw-request-id"),
    wrong: headers.get("x-thaw-function-error"),
    text: pretty(text),
    tookMs,
  };
}

/** Queues an event, and gives its id back. */
export async function enqueue(
  name: string,
  event: string,
  qualifier: string | null,
  signal: AbortSignal,
): Promise<string> {
  const url = address("post", "/v1/functions/{name}/invoke", {
    path: { name },
    query: { mode: "async", ...(qualifier === null ? {} : { qualifier }) },
  });
  const response = await demand(url, {
    method: "POST",
    body: event,
    headers: { "Content-Type": "application/json" },
    signal,
  });
  const { id } = (await response.json()) as { id: string };
  return id;
}

export async function removeFunction(name: string, signal: AbortSignal): Promise<void> {
  await call("delete", "/v1/functions/{name}", { path: { name }, signal });
  functionChanged();
}

/** JSON with its structure to be seen; anything else as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
