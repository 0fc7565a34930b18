// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) out of pieces of bytes.

import { ThawError } from "../errors.js";
import type { ByteStream } from "../bytes.js";

/** The largest event that is taken, in characters; the server's own are far smaller. */
const MAX_EVENT_CHARS = 16 << 20;

/** One event. */
export interface ServerEvent {
  name: string;
  data: string;
  id: string | undefined;
}

/** Takes text as it comes, and gives the events that became whole. */
export class EventParser {
  #line = "";
  #afterReturn = false;
  #name = "";
  #data: string[] = [];
  #size = 0;
  #id: string | undefined;

  /** @throws {@link ThawError} `bad_answer` for an event that is too large. */
  *feed(text: string): Generator<ServerEvent> {
    let rest = text;
    // A line's end may be cut between its two characters.
    if (this.#afterReturn && rest.startsWith("\n")) rest = rest.slice(1);
    if (text !== "") this.#afterReturn = text.endsWith("\r");
    const lines = rest.split(/\r\n|\n|\r/);
    lines[0] = this.#line + (lines[0] ?? "");
    this.#line = lines.pop() ?? "";
    for (const line of lines) {
      if (line !== "") this.#take(line);
      else if (this.#data.length > 0) yield this.#whole();
      else this.#clear();
    }
    if (this.#size + this.#line.length > MAX_EVENT_CHARS) {
      throw new ThawError(
        "bad_answer",
        `the server sent an event of more than ${MAX_EVENT_CHARS} characters`,
      );
    }
  }

  #take(line: string): void {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") {
      this.#data.push(value);
      this.#size += value.length;
    } else if (field === "event") this.#name = value;
    else if (field === "id") this.#id = value;
  }

  #whole(): ServerEvent {
    const event = { name: this.#name || "message", data: this.#data.join("\n"), id: this.#id };
    this.#clear();
    return event;
  }

  #clear(): void {
    this.#name = "";
    this.#data = [];
    this.#size = 0;
  }
}

/** The events of a body, for as long as it lasts. What ends without its empty line is no event. */
export async function* eventsOf(body: ByteStream): AsyncGenerator<ServerEvent> {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  for await (const piece of body) yield* parser.feed(decoder.decode(piece, { stream: true }));
}
