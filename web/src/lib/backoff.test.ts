import { expect, test } from "vitest";
import { backoffMs, pause } from "./backoff";

test("pauses double up to fifteen seconds", () => {
  const longest = () => 1;
  expect([0, 1, 2, 5, 50].map((failures) => backoffMs(failures, longest))).toEqual([
    500, 1000, 2000, 15_000, 15_000,
  ]);
});

test("no pause is shorter than its half", () => {
  expect(backoffMs(3, () => 0)).toBe(2000);
});

test("a pause ends when it is given up", async () => {
  const controller = new AbortController();
  const paused = pause(3_600_000, controller.signal);
  controller.abort();
  await expect(paused).resolves.toBeUndefined();
  await expect(pause(3_600_000, controller.signal)).resolves.toBeUndefined();
});
