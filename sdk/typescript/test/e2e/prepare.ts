import { Thaw } from "../../src/index.js";

/** Fails at once, and with a reason, where there is no daemon; bakes what the tests need, which may take minutes the first time. */
export default async function prepare(): Promise<void> {
  const server = process.env.THAW_URL;
  if (server === undefined) throw new Error("THAW_URL is not set: the address of a daemon for tests");
  const thaw = new Thaw({ server });
  await thaw.templates.ensure("python", { signal: AbortSignal.timeout(600_000) });
}
