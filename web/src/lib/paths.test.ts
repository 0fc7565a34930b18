import { expect, test } from "vitest";
import { baseName, crumbs, join, parent, resolve } from "./paths";

test("a path is resolved from where one is", () => {
  expect(resolve("/root", "a/b")).toBe("/root/a/b");
  expect(resolve("/root", "../etc/./x")).toBe("/etc/x");
  expect(resolve("/root", "/srv/")).toBe("/srv");
  expect(resolve("/", "../..")).toBe("/");
});

test("parts of a path", () => {
  expect(join("/", "a")).toBe("/a");
  expect(join("/a", "b c")).toBe("/a/b c");
  expect(parent("/a/b")).toBe("/a");
  expect(parent("/a")).toBe("/");
  expect(parent("/")).toBe("/");
  expect(baseName("/a/b.txt")).toBe("b.txt");
});

test("crumbs lead from the root on", () => {
  expect(crumbs("/a/b")).toEqual([
    { name: "/", path: "/" },
    { name: "a", path: "/a" },
    { name: "b", path: "/a/b" },
  ]);
  expect(crumbs("/")).toEqual([{ name: "/", path: "/" }]);
});
