import { expect, test } from "vitest";
import { EventParser } from "./sse";

test("an event is whole at its empty line, in whatever pieces it comes", () => {
  const parser = new EventParser();
  const text = 'event: stdout\ndata: {"data":"a\\n"}\n\nevent: exit\r\nid: 7\r\ndata: {}\r\n\r\n';
  const events = Array.from(text).flatMap((character) => parser.feed(character));
  expect(events).toEqual([
    { event: "stdout", data: '{"data":"a\\n"}', id: null },
    { event: "exit", data: "{}", id: "7" },
  ]);
});

test("lines of data are joined, comments and events without data are nothing", () => {
  const parser = new EventParser();
  expect(parser.feed(":\n\nevent: x\n\ndata: a\ndata:b\n\n")).toEqual([
    { event: "message", data: "a\nb", id: null },
  ]);
});

test("what is not ended is kept", () => {
  const parser = new EventParser();
  expect(parser.feed("data: half")).toEqual([]);
  expect(parser.feed(" and half\n\n")).toEqual([{ event: "message", data: "half and half", id: null }]);
});
