import { expect, test } from "vitest";
import { fill } from "./address";

test("names are encoded, and absent parts of a query are left out", () => {
  expect(fill("/v1/images/{name}", { name: "a/b:c?d" })).toBe("/v1/images/a%2Fb%3Ac%3Fd");
  expect(
    fill(
      "/v1/vms/{id}/files",
      { id: "vm-1" },
      { path: "/ä b&c", limit: 0, after: undefined, recursive: false },
    ),
  ).toBe("/v1/vms/vm-1/files?path=%2F%C3%A4+b%26c&limit=0&recursive=false");
});

test("an address with a hole is none", () => {
  expect(() => fill("/v1/vms/{id}", {})).toThrow("needs its id");
  expect(() => fill("/v1/vms/{id}", { id: "" })).toThrow("needs its id");
});
