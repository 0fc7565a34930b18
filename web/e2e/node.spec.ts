import { expect, freshName, test } from "./fixtures";

test("images, templates and pools are shown, and a pool's bounds are changed", async ({ page, vm, api }) => {
  const { template } = (await (await api.get(`/v1/vms/${vm.id}`)).json()) as { template: string };

  await page.goto("/dashboard/images");
  await expect(page.getByRole("row", { name: /python/ }).first()).toContainText("MiB");

  await page.getByRole("link", { name: "Templates" }).click();
  await page
    .getByRole("row", { name: new RegExp(template) })
    .getByRole("link")
    .click();
  await expect(page.getByText("Working set")).toBeVisible();
  await expect(page.getByRole("heading", { name: "What the last restores cost" })).toBeVisible();

  const listed = (await (await api.get("/v1/pools")).json()) as {
    pools: { template: string; min: number; max: number; idle_ms: number }[];
  };
  const before = listed.pools.find((pool) => pool.template === template);
  expect(before, "the pool of the VM's template").toBeDefined();
  await page.getByRole("link", { name: "Pools" }).click();
  const row = page.getByRole("row", { name: new RegExp(template) });
  await row.getByRole("button", { name: /Change the bounds/ }).click();
  const max = (before?.max ?? 0) + 1;
  await page.getByLabel("At most").fill(String(max));
  await page.getByRole("button", { name: "Set", exact: true }).click();
  await expect(row).toContainText(`–${max}`);
  const { min, max: old, idle_ms } = before ?? { min: 0, max: 0, idle_ms: 300_000 };
  expect((await api.put("/v1/pools", { data: { template, min, max: old, idle_ms } })).ok()).toBe(true);
  await expect(row).toContainText(`–${old}`);
});

test("an image that can't be made says why in its dialog", async ({ page }) => {
  await page.goto("/dashboard/images");
  await page.getByRole("button", { name: "Add an image" }).click();
  await page.getByLabel("Source").fill("nothing:of-this-kind");
  await page.getByRole("dialog").getByRole("button", { name: "Add" }).click();
  await expect(page.getByRole("dialog").getByRole("alert").locator(".said")).not.toBeEmpty();
});

test("a VM's name, times and metadata are changed, and the list is filtered by them", async ({
  page,
  vm,
  tidy,
}) => {
  const renamed = freshName();
  tidy.vm(renamed);
  await page.goto(`/dashboard/vms/${vm.id}/console`);
  await page.getByRole("button", { name: /More for/ }).click();
  await page.getByRole("button", { name: "Rename…" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill(renamed);
  await page.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
  await expect(page.getByRole("heading", { name: renamed })).toBeVisible();

  await page.getByRole("button", { name: /More for/ }).click();
  await page.getByRole("button", { name: "Times and metadata…" }).click();
  await page.getByRole("dialog").getByLabel("Idle time (s)").fill("600");
  await page.getByRole("dialog").getByLabel("Metadata").fill(`{"mark": "${renamed}-mark"}`);
  await page.getByRole("dialog").getByRole("button", { name: "Change" }).click();
  await expect(page.getByText("10 min", { exact: true })).toBeVisible();

  await page.getByRole("link", { name: "VMs", exact: true }).first().click();
  await page.getByLabel("Filter VMs").fill(`${renamed}-mark`);
  await expect(page.getByRole("row", { name: new RegExp(vm.id) })).toBeVisible();
  await expect(page.getByText(/^1 (of \d+ )?VMs?$/)).toBeVisible();
});

test("a server in a VM is opened through its port", async ({ page, vm, api, context }) => {
  const command = "cd /tmp && echo served > page.txt && exec python3 -m http.server 8080 --bind 127.0.0.1";
  expect((await api.post(`/v1/vms/${vm.id}/execs`, { data: { command } })).status()).toBe(201);
  await expect
    .poll(async () => (await api.get(`/v1/vms/${vm.id}/ports/8080/page.txt`)).status(), { timeout: 30_000 })
    .toBe(200);
  await page.goto(`/dashboard/vms/${vm.id}/ports`);
  const [opened] = await Promise.all([
    context.waitForEvent("page"),
    page.getByRole("link", { name: "Open in a new tab" }).click(),
  ]);
  await expect(opened.getByText("page.txt")).toBeVisible();
  await opened.close();
});
