import { describe, expect, test } from "vitest";

import { Thaw, ThawConnectionError, ThawError } from "../../src/index.js";
import { thaw } from "./client.js";

const text = (pieces: Uint8Array[]): string => Buffer.concat(pieces).toString();

describe("a program in a fresh VM", () => {
  test("code runs in the interpreter that waits", async () => {
    const done = await thaw.runCode("python", "print(6*7)");
    expect(done.stdout).toBe("42\n");
    expect(done.ok).toBe(true);
    expect(done.timingsUs.total).toBeGreaterThan(0);
  });

  test("output streams while the program runs, and is collected", async () => {
    const out: Uint8Array[] = [];
    const err: Uint8Array[] = [];
    const done = await thaw.exec("python", "echo out; echo err >&2; exit 3", {
      onStdout: (piece) => void out.push(piece),
      onStderr: (piece) => void err.push(piece),
    });
    expect([done.exitCode, done.signal, done.ok]).toEqual([3, null, false]);
    expect([done.stdout, done.stderr]).toEqual(["out\n", "err\n"]);
    expect([text(out), text(err)]).toEqual(["out\n", "err\n"]);
  });

  test("input, environment, folder and user arrive, byte for byte", async () => {
    const stdin = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const done = await thaw.exec("python", 'cat; printf "%s %s %s" "$WHO_IS" "$PWD" "$(id -un)" >&2', {
      stdin,
      env: { WHO_IS: "ada" },
      cwd: "/tmp",
      user: "nobody",
    });
    expect(done.stdoutBytes).toEqual(stdin);
    expect(done.stderr).toBe("ada /tmp nobody");
  });

  test("a time limit ends it, and says so", async () => {
    const done = await thaw.exec("python", ["sleep", "60"], { timeoutMs: 300 });
    expect([done.timedOut, done.exitCode, done.signal]).toEqual([true, null, 9]);
  });

  test("a signal that ends it is told", async () => {
    const done = await thaw.exec("python", "kill -TERM $$");
    expect([done.exitCode, done.signal]).toEqual([null, 15]);
  });

  test("what is cut off is told", async () => {
    const done = await thaw.exec("python", "printf 0123456789; printf x >&2", { outputLimitBytes: 4 });
    expect(done.stdout).toBe("0123");
    expect([done.stdoutTruncated, done.stderrTruncated]).toEqual([true, false]);
  });

  test("output that nobody wants collected is not kept", async () => {
    let bytes = 0;
    const onStdout = async (piece: Uint8Array): Promise<void> => {
      bytes += piece.length;
      await Promise.resolve();
    };
    const done = await thaw.exec("python", ["head", "-c", "3000000", "/dev/zero"], {
      collect: false,
      onStdout,
    });
    expect([bytes, done.stdoutBytes.length, done.stdoutTruncated]).toEqual([3_000_000, 0, false]);
  });
});

describe("what goes wrong", () => {
  test("an error of the API has its code, status and hint", async () => {
    const error: unknown = await thaw.exec("python", ["no-such-program"]).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(ThawError);
    expect(error).toMatchObject({ code: "program_not_found", status: 422 });
    expect((error as ThawError).message).toContain("no-such-program");
    expect((error as ThawError).hint).toMatch(/PATH/);
  });

  test("all mistakes of a request are told at once", async () => {
    const wrong = thaw.exec("python", ["true"], { timeoutMs: 0, memoryMib: 1 });
    await expect(wrong).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringMatching(/timeout_ms[^]*memory_mib|memory_mib[^]*timeout_ms/) as string,
    });
  });

  test("a server that is not there is told apart, with its address and what to do", async () => {
    const nowhere = new Thaw({ server: "http://127.0.0.1:1" });
    const error: unknown = await nowhere.vms.get("box").catch((each: unknown) => each);
    expect(error).toBeInstanceOf(ThawConnectionError);
    expect(error).toMatchObject({
      code: "connection_failed",
      hint: expect.stringContaining("thaw serve") as string,
    });
    expect((error as Error).message).toContain("http://127.0.0.1:1");
  });

  test("an address that is none is refused at once", () => {
    expect(() => new Thaw({ server: "127.0.0.1:8000" })).toThrow(TypeError);
  });

  test("a call that is given up throws the signal's reason", async () => {
    const abort = new AbortController();
    const reason = new Error("enough");
    const running = thaw.exec("python", "echo started; sleep 60", {
      signal: abort.signal,
      onStdout: () => {
        abort.abort(reason);
      },
    });
    await expect(running).rejects.toBe(reason);
  });

  test("a callback that throws ends the call with its error", async () => {
    const error = new Error("no more");
    const running = thaw.exec("python", "echo started; sleep 60", {
      onStdout: () => {
        throw error;
      },
    });
    await expect(running).rejects.toBe(error);
  });
});
