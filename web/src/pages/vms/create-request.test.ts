import { expect, test } from "vitest";
import { createRequest } from "./create-request";

const filled = (fields: Record<string, string>) => (field: string) => fields[field] ?? "";

test("what was not filled in is not sent", () => {
  expect(createRequest("image", filled({ origin: "python" }))).toEqual({ image: "python" });
});

test("everything that was filled in is", () => {
  const form = filled({
    origin: "python",
    name: " web ",
    memory_mib: "512",
    vcpus: "2",
    disk_mib: "8192",
    idle_timeout_s: "300",
    max_lifetime_s: "3600",
    env: "A=1",
    metadata: '{"user":"ada"}',
  });
  expect(createRequest("image", form)).toEqual({
    image: "python",
    name: "web",
    memory_mib: 512,
    vcpus: 2,
    disk_mib: 8192,
    idle_timeout_s: 300,
    max_lifetime_s: 3600,
    env: { A: "1" },
    metadata: { user: "ada" },
  });
});

test("a snapshot has its shape already", () => {
  const form = filled({ origin: "prepared", memory_mib: "512", vcpus: "2" });
  expect(createRequest("snapshot", form)).toEqual({ snapshot: "prepared" });
});
