import { expect, test } from "vitest";
import { deployRequest } from "./deploy-request";

const filled = (fields: Record<string, string>) => (field: string) => fields[field] ?? "";
const FORM = filled({
  name: "f",
  origin: "python",
  handler: "app.handle",
  command: "sh 'run it.sh'",
  port: "8080",
  reuse: "3",
});

test("a kind is sent what it takes", () => {
  const common = { name: "f", image: "python", reuse: 3 };
  expect(deployRequest("python", FORM)).toEqual({ ...common, kind: "python", handler: "app.handle" });
  expect(deployRequest("command", FORM)).toEqual({
    ...common,
    kind: "command",
    command: ["sh", "run it.sh"],
  });
  expect(deployRequest("http", FORM)).toEqual({
    ...common,
    kind: "http",
    command: ["sh", "run it.sh"],
    port: 8080,
  });
});

test("a number that is none is told", () => {
  expect(() => deployRequest("python", filled({ memory_mib: "much" }))).toThrow(
    "memory_mib must be a whole number",
  );
});
