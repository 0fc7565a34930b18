import { expect, freshName, password, test } from "./fixtures";

test.skip(password === undefined, "THAW_PASSWORD is not set");

test("a key is made, shown once, works, and is revoked", async ({ page, tidy, playwright, baseURL }) => {
  const name = freshName();
  tidy.key(name);
  await page.goto("/dashboard/keys");
  await page.getByRole("button", { name: "Make a key" }).click();
  const form = page.getByRole("dialog", { name: "Make a key" });
  await form.getByLabel("Name").fill(name);
  await form.getByLabel("Expires after (days)").fill("1");
  await form.getByRole("checkbox", { name: /^read/ }).check();
  await form.getByRole("button", { name: "Make it" }).click();

  const shown = page.getByRole("dialog", { name: `The key ${name}` });
  const secret = (await shown.locator("[data-secret]").innerText()).trim();
  expect(secret).toMatch(/^thaw_/);
  await expect(shown.getByRole("button", { name: "Copy" })).toBeVisible();
  await shown.getByRole("button", { name: "Done" }).click();
  await expect(page.getByText(secret)).toHaveCount(0);

  const stranger = await playwright.request.newContext({
    ...(baseURL ? { baseURL } : {}),
    storageState: { cookies: [], origins: [] },
    extraHTTPHeaders: { Authorization: `Bearer ${secret}` },
  });
  expect((await stranger.get("/v1/vms")).status()).toBe(200);

  const row = page.getByRole("row", { name: new RegExp(name) });
  await expect(row).toContainText("invoke");
  await row.getByRole("button", { name: `Revoke ${name}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(row).toBeHidden();
  expect((await stranger.get("/v1/vms")).status()).toBe(401);
  await stranger.dispose();

  await page.getByRole("link", { name: "Audit log" }).click();
  await expect(page.getByRole("row", { name: /\/v1\/keys/ }).first()).toBeVisible();
});
