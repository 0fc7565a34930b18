import { readFile } from "node:fs/promises";
import { expect, test } from "./fixtures";

const BYTES = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 31) % 256));

test("a file is uploaded, listed, downloaded with the same bytes, moved and removed", async ({
  page,
  vm,
}) => {
  await page.goto(`/dashboard/vms/${vm.id}/files`);
  await page.getByRole("button", { name: "New folder…" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("things");
  await page.getByRole("button", { name: "Make it" }).click();
  await page.getByRole("button", { name: "things", exact: true }).click();
  await expect(page.getByText("The folder is empty.")).toBeVisible();

  await page.getByLabel("Files to upload").setInputFiles({
    name: "data ä%.bin",
    mimeType: "application/octet-stream",
    buffer: BYTES,
  });
  const row = page.getByRole("row", { name: /data ä%\.bin/ });
  await expect(row).toContainText("68.4 KiB");

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    row.getByRole("link", { name: "Download data ä%.bin" }).click(),
  ]);
  expect(download.suggestedFilename()).toBe("data ä%.bin");
  expect((await readFile(await download.path())).equals(BYTES)).toBe(true);

  await row.getByRole("button", { name: /More for data/ }).click();
  await page.getByRole("button", { name: "Move or rename…" }).click();
  await page.getByLabel("New path").fill("moved.bin");
  await page.getByRole("button", { name: "Move", exact: true }).click();
  const moved = page.getByRole("row", { name: /moved\.bin/ });
  await expect(moved).toBeVisible();
  await expect(row).toBeHidden();

  await moved.getByRole("button", { name: /More for moved/ }).click();
  await page.getByRole("button", { name: "Remove…" }).last().click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(page.getByText("The folder is empty.")).toBeVisible();
});

test("Markdown is shown, and HTML in it is text", async ({ page, vm, api }) => {
  const source = "# Title\n\n<img src=x onerror=alert(1)> and *soft* [bad](javascript:alert(1))\n";
  const put = await api.put(`/v1/vms/${vm.id}/files/content?path=/root/read.md`, {
    data: source,
    headers: { "Content-Type": "application/octet-stream" },
  });
  expect(put.status()).toBe(200);
  await page.goto(`/dashboard/vms/${vm.id}/files`);
  await page.getByRole("button", { name: "read.md", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("heading", { name: "Title" })).toBeVisible();
  await expect(dialog.getByText("<img src=x onerror=alert(1)>")).toBeVisible();
  await expect(dialog.locator("img")).toHaveCount(0);
  await expect(dialog.getByRole("link", { name: "bad" })).toHaveCount(0);
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
});

test("what is shown of the files is in the address", async ({ page, vm, api }) => {
  const put = await api.put(`/v1/vms/${vm.id}/files/content?path=/root/deep/read.md&parents=true`, {
    data: "# Found again",
    headers: { "Content-Type": "application/octet-stream" },
  });
  expect(put.status()).toBe(200);
  // As BandSox's dashboard had it.
  await page.goto(`/markdown_viewer?vm_id=${vm.id}&path=/root/deep/read.md`);
  const title = page.getByRole("dialog").getByRole("heading", { name: "Found again" });
  await expect(title).toBeVisible();
  await page.reload();
  await expect(title).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(title).toBeHidden();
  await page.reload();
  await expect(page.getByRole("row", { name: /read\.md/ })).toBeVisible();
  await page.goBack();
  await expect(title).toBeVisible();
});

test("a file that is dropped on the list is uploaded", async ({ page, vm }) => {
  await page.goto(`/dashboard/vms/${vm.id}/files`);
  await expect(page.getByRole("row", { name: /\.bashrc/ })).toBeVisible();
  const dataTransfer = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(["dropped"], "dropped.txt"));
    return data;
  });
  await page.getByRole("table").dispatchEvent("drop", { dataTransfer });
  await page.getByRole("button", { name: "dropped.txt", exact: true }).click();
  await expect(page.getByRole("dialog")).toContainText("dropped");
});
