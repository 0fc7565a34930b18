import { expect, test } from "vitest";
import { cpuShare } from "./cpu-share";

test("half of the time is half a CPU", () => {
  expect(cpuShare({ atMs: 1000, cpuUs: 0 }, { atMs: 3000, cpuUs: 1_000_000 })).toBe(0.5);
});

test("without two samples, and after a boot, nothing is known", () => {
  expect(cpuShare(null, { atMs: 0, cpuUs: 5 })).toBe(0);
  expect(cpuShare({ atMs: 0, cpuUs: 5 }, null)).toBe(0);
  expect(cpuShare({ atMs: 0, cpuUs: 500 }, { atMs: 10, cpuUs: 5 })).toBe(0);
  expect(cpuShare({ atMs: 10, cpuUs: 5 }, { atMs: 10, cpuUs: 50 })).toBe(0);
});
