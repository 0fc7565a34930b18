import { defineConfig } from "@playwright/test";

/** Where a daemon serves the dashboard. The tests start none. */
const baseURL = process.env.THAW_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  testDir: "e2e",
  // Real VMs: one test at a time keeps their times honest on a small machine.
  workers: 1,
  retries: 0,
  forbidOnly: true,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: "list",
  use: {
    baseURL,
    trace: "retain-on-failure",
    launchOptions: { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] },
  },
});
