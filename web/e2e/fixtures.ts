/** What every spec begins with: a browser that is logged in where that is needed, and something that tidies up. */
import { randomUUID } from "node:crypto";
import {
  request,
  test as base,
  expect,
  type APIRequestContext,
  type BrowserContextOptions,
} from "@playwright/test";

type StorageState = Exclude<BrowserContextOptions["storageState"], string | undefined>;

export const password = process.env.THAW_PASSWORD;

/** A name that nothing else on the server has. */
export function freshName(): string {
  return `e2e-${randomUUID().slice(0, 8)}`;
}

/** Things to remove when a test is over, whatever became of it. */
export interface Tidy {
  vm: (name: string) => void;
  snapshot: (name: string) => void;
  function: (name: string) => void;
  key: (name: string) => void;
}

interface TestFixtures {
  api: APIRequestContext;
  tidy: Tidy;
  /** A VM that is there for one test. */
  vm: { id: string; name: string };
  noViolations: undefined;
}

interface WorkerFixtures {
  session: StorageState;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  session: [
    async ({ playwright }, use, worker) => {
      const { baseURL } = worker.project.use;
      const context = await playwright.request.newContext(baseURL ? { baseURL } : {});
      if (password !== undefined) {
        const answer = await context.post("/v1/login", { data: { password } });
        expect(answer.status(), "the login of THAW_PASSWORD").toBe(200);
      }
      await use(await context.storageState());
      await context.dispose();
    },
    { scope: "worker" },
  ],

  storageState: async ({ session }, use) => {
    await use(session);
  },

  api: async ({ session, baseURL }, use) => {
    const context = await request.newContext({
      storageState: session,
      ...(baseURL ? { baseURL, extraHTTPHeaders: { Origin: new URL(baseURL).origin } } : {}),
    });
    await use(context);
    await context.dispose();
  },

  tidy: async ({ api }, use) => {
    const routes: string[] = [];
    const later = (kind: string) => (name: string) => {
      routes.push(`/v1/${kind}/${name}`);
    };
    await use({
      vm: later("vms"),
      snapshot: later("snapshots"),
      function: later("functions"),
      key: later("keys"),
    });
    for (const route of routes.reverse()) {
      const answer = await api.delete(route);
      expect([204, 404], `${route} is gone`).toContain(answer.status());
    }
  },

  vm: async ({ api, tidy }, use) => {
    const name = freshName();
    const answer = await api.post("/v1/vms", { data: { image: "python", name } });
    expect(answer.status(), "a VM for the test").toBe(201);
    tidy.vm(name);
    const { id } = (await answer.json()) as { id: string };
    await use({ id, name });
  },

  noViolations: [
    async ({ page }, use) => {
      const said: string[] = [];
      page.on("pageerror", (error) => said.push(error.message));
      page.on("console", (message) => {
        if (/content security policy/i.test(message.text())) said.push(message.text());
      });
      await use(undefined);
      expect(said, "nothing is thrown in the page, and its policy forbids nothing that it does").toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };
