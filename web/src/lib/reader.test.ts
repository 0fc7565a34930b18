import { expect, test } from "vitest";
import { openReader } from "./reader";

/** Loads that end when the test says so. */
function loads() {
  const waiting: { resolve: (value: number) => void; reject: (error: Error) => void; signal: AbortSignal }[] =
    [];
  const told: unknown[] = [];
  const reader = openReader<number>(
    (signal) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject, signal });
      }),
    { onData: (data) => told.push(data), onError: (error) => told.push(error) },
  );
  const settled = async () => {
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  };
  return { reader, waiting, told, settled };
}

test("however many ask while one reads, one more read follows", async () => {
  const { reader, waiting, told, settled } = loads();
  reader.read();
  reader.read();
  reader.read();
  expect(waiting).toHaveLength(1);
  waiting[0]?.resolve(1);
  await settled();
  expect(waiting).toHaveLength(2);
  waiting[1]?.resolve(2);
  await settled();
  expect(waiting).toHaveLength(2);
  expect(told).toEqual([1, 2]);
});

test("a read that failed is told, and another one may be asked for", async () => {
  const { reader, waiting, told, settled } = loads();
  reader.read();
  waiting[0]?.reject(new Error("no"));
  await settled();
  reader.read();
  waiting[1]?.resolve(7);
  await settled();
  expect(told).toEqual([new Error("no"), 7]);
});

test("a reader that was closed tells nothing, and its read is given up", async () => {
  const { reader, waiting, told, settled } = loads();
  reader.read();
  reader.read();
  reader.close();
  expect(waiting[0]?.signal.aborted).toBe(true);
  waiting[0]?.resolve(1);
  await settled();
  expect(told).toEqual([]);
  expect(waiting).toHaveLength(1);
});
