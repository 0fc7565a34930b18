import { expect, test } from "vitest";
import { addressOf, parseRoute, type Route } from "./route";

const ROUTES: Exclude<Route, { page: "unknown" }>[] = [
  { page: "overview" },
  { page: "vms" },
  { page: "audit" },
  { page: "vm", id: "vm-1 /ä", tab: "files" },
  { page: "template", id: "99a9" },
  { page: "function", name: "hello", tab: "logs" },
];

test.each(ROUTES)("the address of $page leads back to it", (route) => {
  expect(parseRoute(addressOf(route))).toEqual(route);
});

test("a VM without a part is its terminal, a function its console", () => {
  expect(parseRoute("/dashboard/vms/web")).toEqual({ page: "vm", id: "web", tab: "terminal" });
  expect(parseRoute("/dashboard/functions/f/")).toEqual({ page: "function", name: "f", tab: "invoke" });
});

test.each([
  "/dashboard/nothing",
  "/dashboard/vms/a/b",
  "/dashboard/vms/a/files/more",
  "/dashboard/vms/%E0",
  "/dashboard/pools/x",
])("%s is no page", (path) => {
  expect(parseRoute(path)).toEqual({ page: "unknown" });
});
