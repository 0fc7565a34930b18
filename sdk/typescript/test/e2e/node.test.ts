import { expect, test } from "vitest";

import { fresh, thaw } from "./client.js";

test("images, templates and pools are listed", async () => {
  const image = (await thaw.images.list()).find((each) => each.names.includes("python"));
  expect(image?.digest).toMatch(/^sha256:/);
  expect((await thaw.images.get("python")).digest).toBe(image?.digest);
  const template = await thaw.templates.ensure("python");
  expect(template.image).toBe(image?.digest);
  expect((await thaw.templates.get(template.id)).memoryMib).toBe(256);
  expect((await thaw.exec({ template: template.id }, ["true"])).ok).toBe(true);
  expect((await thaw.pools.list()).map((each) => each.template)).toContain(template.id);
});

test("an image that can't be had is an error with its code", async () => {
  await expect(
    thaw.images.upload("oci-archive", new TextEncoder().encode("no archive")),
  ).rejects.toMatchObject({
    code: "image_invalid",
  });
  await expect(thaw.images.get(fresh("none"))).rejects.toMatchObject({
    code: "image_not_found",
    status: 404,
  });
});

test("a pool's bounds are set", async () => {
  const { id } = await thaw.templates.ensure("python");
  const before = (await thaw.pools.list()).find((pool) => pool.template === id);
  if (before === undefined) throw new Error("the template has no pool");
  const { min, max, idleMs } = before;
  try {
    expect(await thaw.pools.set({ template: id, min, max: max + 1, idleMs })).toMatchObject({ max: max + 1 });
  } finally {
    await thaw.pools.set({ template: id, min, max, idleMs });
  }
});

test("a key is made, listed and revoked", async () => {
  const name = fresh("key");
  const made = await thaw.keys.create(name, { scopes: ["read"], expiresInS: 60 });
  expect(made.key).toMatch(/^thaw_/);
  try {
    expect((await thaw.keys.list()).find((key) => key.id === made.id)).toMatchObject({
      name,
      scopes: ["read"],
    });
  } finally {
    await thaw.keys.revoke(made.id);
  }
});

test("the server says that it is there, and who one is to it", async () => {
  expect((await thaw.health()).status).toBe("ok");
  expect((await thaw.whoami()).scopes.length).toBeGreaterThan(0);
});
