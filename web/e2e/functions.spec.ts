import { expect, freshName, test } from "./fixtures";

const CODE = `def handle(event, context):
    print("greeting", event["name"])
    return {"greeting": "Hello, " + event["name"] + "!"}
`;

test("a function is deployed and invoked; its result, logs, errors, aliases and events are shown", async ({
  page,
  tidy,
}) => {
  const name = freshName();
  tidy.function(name);
  await page.goto("/dashboard/functions");
  await page.getByRole("button", { name: "Deploy a function" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("Source").fill(CODE);
  await dialog.getByRole("button", { name: "Deploy" }).click();
  await expect(page.getByText(`${name} version 1 serves events.`)).toBeVisible();

  await page.getByLabel("Event (JSON)").fill('{"name": "Ada"}');
  await page.getByRole("button", { name: "Invoke" }).click();
  await expect(page.getByText("returned", { exact: true })).toBeVisible();
  await expect(page.getByRole("log", { name: "Result" })).toContainText('"greeting": "Hello, Ada!"');
  await expect(page.getByRole("log", { name: "Log", exact: true })).toContainText("greeting Ada");

  await page.getByLabel("Event (JSON)").fill("{}");
  await page.getByRole("button", { name: "Invoke" }).click();
  await expect(page.getByText("raised", { exact: true })).toBeVisible();
  await expect(page.getByRole("log", { name: "Result" })).toContainText("KeyError");

  await page.getByRole("link", { name: "logs", exact: true }).click();
  await expect(page.getByRole("log", { name: "Logs" })).toContainText("greeting Ada");

  await page.getByRole("link", { name: "aliases", exact: true }).click();
  await page.getByRole("button", { name: "New alias…" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("live");
  await page.getByRole("dialog").getByLabel("Versions").fill("1");
  await page.getByRole("dialog").getByRole("button", { name: "Set" }).click();
  await expect(page.getByRole("row", { name: /live/ })).toContainText("version 1: 100 %");

  await page.getByRole("link", { name: "invoke", exact: true }).click();
  await page.getByLabel("Event (JSON)").fill('{"name": "Grace"}');
  await page.getByRole("button", { name: "Queue it" }).click();
  await page.getByRole("link", { name: "all events" }).click();
  await page.getByRole("button", { name: "done", exact: true }).click();
  const event = page.getByRole("row", { name: /done/ });
  await event.getByRole("button").first().click();
  await expect(page.getByRole("dialog")).toContainText("Hello, Grace!");
});
