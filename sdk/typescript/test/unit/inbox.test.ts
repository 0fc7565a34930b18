import { expect, test } from "vitest";

import { Inbox } from "../../src/inbox.js";

const LARGE = new Uint8Array(800 << 10);

test("its filler is asked to wait while too much waits, once each way", async () => {
  const told: boolean[] = [];
  const inbox = new Inbox((full) => told.push(full));
  inbox.push(LARGE);
  inbox.push(LARGE);
  inbox.push(LARGE);
  expect(told).toEqual([true]);
  await inbox.next();
  expect(told).toEqual([true]);
  await inbox.next();
  expect(told).toEqual([true, false]);
});

test("what came before the end is read before it", async () => {
  const inbox = new Inbox(() => undefined);
  inbox.push(Uint8Array.of(1));
  inbox.fail(new Error("lost"));
  inbox.push(Uint8Array.of(2));
  inbox.finish();
  expect(await inbox.next()).toEqual(Uint8Array.of(1));
  await expect(inbox.next()).rejects.toThrow("lost");
  await expect(inbox.next()).rejects.toThrow("lost");
});

test("a reader that waits is woken by a piece and by the end, and is the only one", async () => {
  const inbox = new Inbox(() => undefined);
  const first = inbox.next();
  await expect(inbox.next()).rejects.toThrow("read already");
  inbox.push(Uint8Array.of(1));
  expect(await first).toEqual(Uint8Array.of(1));
  const second = inbox.next();
  inbox.finish();
  expect(await second).toBeUndefined();
});
