import { expect, freshName, test } from "./fixtures";

test("the playground shows output, how the VM came to be, and where the time went", async ({ page }) => {
  await page.goto("/dashboard/");
  const playground = page.getByRole("region", { name: "Playground" });
  await playground.getByLabel("Code").fill("print('the answer', 6 * 7)");
  await playground.getByLabel("Code").press("Control+Enter");
  await expect(playground.getByRole("log", { name: "Standard output" })).toHaveText("the answer 42\n");
  await expect(playground.getByText("exit code 0")).toBeVisible();
  await expect(playground.getByText(/^The VM was (parked|restored|cold)/)).toBeVisible();
  const timings = playground.getByRole("figure", { name: /Timings/ });
  for (const stage of ["queue", "restore", "connect", "resume", "exec", "daemon"]) {
    await expect(timings).toContainText(stage);
  }

  await playground.getByRole("button", { name: "Shell command" }).click();
  await playground.getByLabel("Command").fill("echo out; echo err >&2; exit 3");
  await playground.getByRole("button", { name: "Run" }).click();
  await expect(playground.getByRole("log", { name: "Standard error" })).toHaveText("err\n");
  await expect(playground.getByText("exit code 3")).toBeVisible();
});

test("a program that does not end is ended by who started it", async ({ page }) => {
  await page.goto("/dashboard/");
  const playground = page.getByRole("region", { name: "Playground" });
  await playground.getByLabel("Code").fill("import time\nprint('begun', flush=True)\ntime.sleep(1000)");
  await playground.getByRole("button", { name: "Run" }).click();
  await expect(playground.getByRole("log", { name: "Standard output" })).toHaveText("begun\n");
  await playground.getByRole("button", { name: "End it" }).click();
  await expect(playground.getByRole("button", { name: "Run" })).toBeVisible();
});

test("an error of the API is shown with its hint", async ({ page, vm }) => {
  await page.goto("/dashboard/vms");
  await page.getByRole("button", { name: "Create a VM" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(vm.name);
  await dialog.getByRole("button", { name: "Create" }).click();
  const problem = dialog.getByRole("alert");
  await expect(problem).toContainText("vm_name_taken");
  await expect(problem.locator(".said")).not.toBeEmpty();
  await expect(problem.locator(".hint")).not.toBeEmpty();
  await expect(page.getByText("[object Object]")).toHaveCount(0);

  await dialog.getByLabel("Name").fill(freshName());
  await dialog.getByLabel("Environment").fill("no equals sign");
  await dialog.getByRole("button", { name: "Create" }).click();
  await expect(problem).toContainText("is not KEY=VALUE");
});

test("a page that is not live says so and comes back by itself", async ({ page }) => {
  await page.route("**/v1/events", (route) => route.abort());
  await page.goto("/dashboard/vms");
  await expect(page.getByText("Not live: reconnecting")).toBeVisible();
  await page.unroute("**/v1/events");
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
});
