import { expect, test } from "vitest";

import { ThawError } from "../../src/index.js";
import { EventParser, eventsOf, type ServerEvent } from "../../src/http/sse.js";

const STREAM =
  ': a comment\r\n\r\nevent: stdout\r\ndata: {"a":\r\ndata: 1}\r\n\r\nid: 7\ndata:bare\n\n\nevent: empty\n\ndata: x\r\rdata: unfinished';
const EVENTS: ServerEvent[] = [
  { name: "stdout", data: '{"a":\n1}', id: undefined },
  { name: "message", data: "bare", id: "7" },
  { name: "message", data: "x", id: "7" },
];

test("events are the same however the text was cut", () => {
  for (let size = 1; size <= STREAM.length; size += 1) {
    const parser = new EventParser();
    const pieces = STREAM.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
    expect(pieces.flatMap((piece) => [...parser.feed(piece)])).toEqual(EVENTS);
  }
});

test("a character that is cut in two is whole again", async () => {
  const bytes = new TextEncoder().encode("data: ü\n\n");
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const byte of bytes) yield await Promise.resolve(Uint8Array.of(byte));
  }
  const data: string[] = [];
  for await (const event of eventsOf(body())) data.push(event.data);
  expect(data).toEqual(["ü"]);
});

test("an event without an end is refused before it fills the memory", () => {
  const parser = new EventParser();
  const feed = (): void => {
    for (let mebibytes = 0; mebibytes < 32; mebibytes += 1) parser.feed("x".repeat(1 << 20)).next();
  };
  expect(feed).toThrow(ThawError);
});
