import { expect, test } from "vitest";
import type { VmInfo } from "../../api/types";
import { matches } from "./filter";

const VM = {
  name: "Web",
  id: "vm-2510",
  image: "python",
  state: "running",
  metadata: { user: "ada" },
} as unknown as VmInfo;

test.each(["", "web", "vm-25", "PYTHON run", "ada web"])("%j finds it", (words) => {
  expect(matches(VM, words)).toBe(true);
});

test.each(["paused", "web nobody"])("%j does not", (words) => {
  expect(matches(VM, words)).toBe(false);
});
