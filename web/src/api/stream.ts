/** Answers that come in pieces: server-sent events and plain text. */
import { demand } from "./client";
import { ApiError, problemOf } from "./error";
import { EventParser, type ServerEvent } from "./sse";

async function* pieces(response: Response): AsyncGenerator<string> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Whoever stops reading hangs up; the stream may be broken already.
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * The pieces of a text answer as they come.
 *
 * @throws {ApiError} When the API refuses.
 */
export async function* followText(url: string, signal: AbortSignal): AsyncGenerator<string> {
  yield* pieces(await demand(url, { signal }));
}

/**
 * The events of an answer. An event `error` of the API is thrown. `onOpen` hears of the answer's beginning.
 *
 * @throws {ApiError} When the API refuses, or fails on the way.
 */
export async function* followEvents(
  url: string,
  init: RequestInit,
  onOpen?: () => void,
): AsyncGenerator<ServerEvent> {
  const headers = new Headers(init.headers);
  headers.set("Accept", "text/event-stream");
  const parser = new EventParser();
  const response = await demand(url, { ...init, headers });
  onOpen?.();
  for await (const piece of pieces(response)) {
    for (const event of parser.feed(piece)) {
      if (event.event === "error") throw errorOfEvent(event);
      yield event;
    }
  }
}

function errorOfEvent(event: ServerEvent): ApiError {
  const body: unknown = JSON.parse(event.data);
  // An event's data is the body of an error or its inside.
  const problem = problemOf(body) ?? problemOf({ error: body });
  return new ApiError(0, problem ?? { message: "the server told of an error without saying which" });
}
