import { expect, test } from "./fixtures";

const PLACES = ["Overview", "VMs", "Snapshots", "Functions", "Images", "Templates", "Pools"];

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`on a phone, ${colorScheme}`, () => {
    test.use({ viewport: { width: 360, height: 740 }, colorScheme });

    test("every page is reached by its name and fits", async ({ page, vm }) => {
      await page.goto("/dashboard/");
      for (const place of PLACES) {
        await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: place }).click();
        await expect(page.getByRole("heading", { name: place, level: 1 })).toBeVisible();
        await expect(page.getByText("Loading…")).toHaveCount(0);
        const [needed, given] = await page.evaluate(() => [
          document.documentElement.scrollWidth,
          document.documentElement.clientWidth,
        ]);
        expect(needed, `${place} is no wider than the screen`).toBeLessThanOrEqual(given);
      }
      await page.goto(`/dashboard/vms/${vm.name}/files`);
      await expect(page.getByRole("row", { name: /\.bashrc/ })).toBeVisible();
    });
  });
}

test("an address that leads nowhere says so, and the way back is one link", async ({ page }) => {
  await page.goto("/dashboard/no/such/page");
  await expect(page.getByRole("heading", { name: "There is no such page" })).toBeVisible();
  await page.getByRole("link", { name: "To the overview" }).click();
  await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
  await page.goBack();
  await expect(page.getByRole("heading", { name: "There is no such page" })).toBeVisible();
});
