import { expect, password, test } from "./fixtures";

test.describe("with authentication", () => {
  test.skip(password === undefined, "THAW_PASSWORD is not set");
  test.use({ storageState: { cookies: [], origins: [] } });

  test("a stranger is sent to log in, a wrong password is refused, the right one lets in and can log out", async ({
    page,
  }) => {
    await page.goto("/dashboard/vms");
    await page.waitForURL(/\/login\?next=%2Fdashboard%2Fvms$/);

    await page.getByLabel(/password/).fill(`${password ?? ""} and more`);
    await page.getByRole("button", { name: "Log in" }).click();
    await expect(page.getByRole("status")).toContainText("password");
    await page.goto("/dashboard/vms");
    await page.waitForURL(/\/login/);

    await page.getByLabel(/password/).fill(password ?? "");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.waitForURL(/\/dashboard\/vms$/);
    await expect(page.getByRole("heading", { name: "VMs", level: 1 })).toBeVisible();

    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForURL(/\/login/);
    expect((await page.request.get("/v1/session")).status()).toBe(401);
  });
});

test("without authentication there is nothing to log out of, and no keys", async ({ page }) => {
  test.skip(password !== undefined, "THAW_PASSWORD is set");
  await page.goto("/dashboard/");
  await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: "Log out" })).toBeHidden();
  await expect(page.getByRole("link", { name: "Keys" })).toBeHidden();
});
