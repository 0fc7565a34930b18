import { expect, freshName, test } from "./fixtures";

test("a VM is created, and a command that is typed into its terminal answers", async ({ page, tidy }) => {
  const name = freshName();
  tidy.vm(name);
  await page.goto("/dashboard/vms");
  await page.getByRole("button", { name: "Create a VM" }).first().click();
  const dialog = page.getByRole("dialog", { name: "Create a VM" });
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("Environment").fill("WHO=ada");
  await dialog.getByLabel("Metadata").fill('{"project": "site"}');
  await dialog.getByRole("button", { name: "Create" }).click();

  await expect(page.getByRole("heading", { name })).toBeVisible();
  await expect(page.getByText("running", { exact: true })).toBeVisible();
  await expect(page.getByText("WHO=ada")).toBeVisible();

  const screen = page.getByRole("group", { name: "Terminal" });
  await expect(page.getByText("Connected.")).toBeVisible();
  await page.keyboard.type("echo $WHO-$((6*7))\n");
  await expect(screen).toContainText("ada-42");

  await page.keyboard.type("stty size; exit 3\n");
  await expect(screen).toContainText("ended with 3");
  await page.getByRole("button", { name: "Reconnect" }).click();
  await expect(page.getByText("Connected.")).toBeVisible();
  await page.keyboard.type("echo again-$((7*7))\n");
  await expect(screen).toContainText("again-49");
});

test("a command runs with its output, and one in the background is followed, signalled and forgotten", async ({
  page,
  vm,
}) => {
  await page.goto(`/dashboard/vms/${vm.id}/run`);
  await page.getByLabel("Command", { exact: true }).fill("echo out; echo err >&2; exit 7");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await expect(page.getByRole("log", { name: "Standard output" })).toHaveText("out\n");
  await expect(page.getByRole("log", { name: "Standard error" })).toHaveText("err\n");
  await expect(page.getByText("exit code 7")).toBeVisible();

  await page.getByLabel("Command", { exact: true }).fill("echo begun; exec sleep 1000");
  await page.getByRole("button", { name: "Start in the background" }).click();
  const row = page.getByRole("row", { name: /sleep 1000/ });
  await expect(row).toContainText("running");
  await row.getByRole("button", { name: "Output" }).click();
  await expect(page.getByRole("log", { name: /Output of program/ })).toHaveText("begun\n");
  await row.getByRole("button", { name: /More for program/ }).click();
  await page.getByRole("button", { name: "Send SIGTERM" }).click();
  await expect(row).toContainText("signal 15");
  await row.getByRole("button", { name: /More for program/ }).click();
  await page.getByRole("button", { name: "Forget" }).click();
  await expect(row).toBeHidden();
});
