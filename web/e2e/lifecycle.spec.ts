import { expect, freshName, test } from "./fixtures";

test("a VM is paused, resumed, forked, snapshotted, restored and removed", async ({
  page,
  vm,
  tidy,
  api,
}) => {
  const fork = freshName();
  const snapshot = freshName();
  const restored = freshName();
  tidy.snapshot(snapshot);
  tidy.vm(fork);
  tidy.vm(restored);

  await page.goto("/dashboard/vms");
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await page.getByLabel("Filter VMs").fill(vm.name);
  const row = page.getByRole("row", { name: new RegExp(vm.name) });
  await row.getByRole("button", { name: "Pause" }).click();
  await expect(row).toContainText("paused");
  await row.getByRole("button", { name: "Resume" }).click();
  await expect(row).toContainText("running");
  // What somebody else does is seen as well.
  expect((await api.post(`/v1/vms/${vm.id}/pause`, { data: {} })).ok()).toBe(true);
  await expect(row).toContainText("paused");
  expect((await api.post(`/v1/vms/${vm.id}/resume`, { data: {} })).ok()).toBe(true);
  await expect(row).toContainText("running");

  await row.getByRole("button", { name: /More for/ }).click();
  await page.getByRole("button", { name: "Fork…" }).click();
  await page.getByRole("dialog").getByLabel("Names").fill(fork);
  await page.getByRole("dialog").getByRole("button", { name: "Fork" }).click();
  await expect(page.getByRole("status").getByRole("link", { name: fork })).toBeVisible();

  await row.getByRole("link", { name: vm.name }).click();
  await page.getByRole("button", { name: "Snapshot…" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill(snapshot);
  await page.getByRole("dialog").getByRole("button", { name: "Take the snapshot" }).click();
  await page.getByRole("link", { name: "all snapshots" }).click();

  const kept = page.getByRole("row", { name: new RegExp(snapshot) });
  await kept.getByRole("button", { name: "Restore" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill(restored);
  await page.getByRole("dialog").getByRole("button", { name: "Restore" }).click();
  await expect(page.getByRole("heading", { name: restored })).toBeVisible();

  await page.getByRole("button", { name: /More for/ }).click();
  await page.getByRole("button", { name: "Remove…" }).click();
  await expect(page.getByRole("dialog")).toContainText("lost for good");
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(page.getByText("There is no such VM (any more).")).toBeVisible();

  await page.getByRole("link", { name: "Snapshots", exact: true }).click();
  await kept.getByRole("button", { name: /More for/ }).click();
  await page.getByRole("button", { name: "Remove…" }).last().click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(kept).toBeHidden();
});

test("a VM is stopped and boots from its disk", async ({ page, vm }) => {
  await page.goto(`/dashboard/vms/${vm.id}/console`);
  await page.getByRole("button", { name: /More for/ }).click();
  await page.getByRole("button", { name: "Stop…" }).click();
  await expect(page.getByRole("dialog")).toContainText("its memory is lost");
  await page.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
  await expect(page.getByText("stopped", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByText("running", { exact: true })).toBeVisible();
});

test("a VM that sleeps is not woken by looking at it, and is by whoever wants its files", async ({
  page,
  vm,
  api,
}) => {
  expect((await api.patch(`/v1/vms/${vm.id}`, { data: { idle_timeout_s: 1 } })).ok()).toBe(true);
  await page.goto(`/dashboard/vms/${vm.id}/console`);
  await expect(page.getByText("paused (idle)")).toBeVisible();
  await page.getByRole("link", { name: "terminal", exact: true }).click();
  await expect(page.getByText("The VM sleeps because nobody used it.")).toBeVisible();
  await expect(page.getByText("It does not run, so it has no figures of its own.")).toBeVisible();
  await page.getByRole("link", { name: "files", exact: true }).click();
  await expect(page.getByText("paused (idle)")).toBeVisible();
  await page.getByRole("button", { name: "Wake it for its files" }).click();
  await expect(page.getByRole("row", { name: /\.bashrc/ })).toBeVisible();
});
