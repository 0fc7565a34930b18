import { defineConfig } from "vitest/config";

// Against a daemon that runs already: THAW_URL, and THAW_API_KEY where it wants one.
export default defineConfig({
  test: {
    include: ["test/e2e/**/*.test.ts"],
    globalSetup: ["test/e2e/prepare.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    retry: 0,
    // The machine under test is one; files that run at once would only wait for each other.
    fileParallelism: false,
  },
});
