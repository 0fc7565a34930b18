import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { type Output, type Progress, tarOf, ThawError, type Vm } from "../../src/index.js";
import { all, fresh, headers, thaw, until } from "./client.js";

let vm: Vm;

beforeAll(async () => {
  vm = await thaw.vms.create({
    image: "python",
    name: fresh("sdk"),
    metadata: { made_by: "e2e" },
    env: { A_B: "1" },
  });
});

afterAll(async () => {
  await vm.delete();
});

async function* stdout(process: AsyncIterable<Output>): AsyncGenerator<Uint8Array> {
  for await (const output of process) if (output.stream === "stdout") yield output.data;
}

describe("a VM that stays", () => {
  test("it is found by id, by name and in lists, with what users named as it was", async () => {
    expect((await thaw.vms.get(vm.id)).name).toBe(vm.name);
    expect((await thaw.vms.get(vm.name ?? "")).id).toBe(vm.id);
    const listed = await all(
      thaw.vms.list({ name: vm.name ?? "", metadata: { made_by: "e2e" }, state: "running" }),
    );
    expect(listed.map((each) => each.id)).toEqual([vm.id]);
    expect(listed[0]?.info).toMatchObject({
      metadata: { made_by: "e2e" },
      env: { A_B: "1" },
      memoryMib: 256,
    });
  });

  test("programs see what earlier ones left", async () => {
    await vm.exec("echo kept > /root/state");
    const done = await vm.exec(["cat", "/root/state"]);
    expect([done.stdout, done.start]).toEqual(["kept\n", "reused"]);
    expect((await vm.runCode("python", "import os; print(os.environ['A_B'])")).stdout).toBe("1\n");
  });

  test("it pauses, refuses, resumes, and keeps its memory", async () => {
    expect((await vm.pause()).state).toBe("paused");
    await expect(vm.exec("true")).rejects.toMatchObject({ code: "vm_paused", status: 409 });
    expect((await vm.resume()).state).toBe("running");
    expect((await vm.exec("cat /root/state")).stdout).toBe("kept\n");
  });

  test("it is renamed, and its metadata merged", async () => {
    const name = fresh("sdk-new");
    await vm.rename(name);
    expect(vm.name).toBe(name);
    await vm.update({ metadataMerge: { made_by: null, and_now: { deepInside: true } } });
    expect((await vm.refresh()).metadata).toEqual({ and_now: { deepInside: true } });
  });

  test("it says what it uses and what it said", async () => {
    const usage = await vm.usage();
    expect(usage.guest?.memoryTotalBytes).toBeGreaterThan(100 << 20);
    await vm.exec("echo spoken on the console > /dev/console");
    expect(await until(vm.followLogs(), "spoken on the console")).toContain("spoken");
    expect(await vm.logs({ tail: 5 })).toContain("spoken on the console");
  });

  test("a server on its port answers", async () => {
    const server =
      "import http.server as h; s = h.HTTPServer(('127.0.0.1', 8080), h.SimpleHTTPRequestHandler); print('up', flush=True); s.serve_forever()";
    await using process = await vm.spawn(["python3", "-c", server], { cwd: "/etc" });
    await until(stdout(process), "up");
    const answer = await globalThis.fetch(vm.portUrl(8080, "/hostname"), { headers });
    expect([answer.status, (await answer.text()).trim()]).toEqual([
      200,
      (await vm.exec("hostname")).stdout.trim(),
    ]);
  });

  test("it stops, and starts from its disk", async () => {
    expect((await vm.stop()).state).toBe("stopped");
    await expect(vm.exec("true")).rejects.toMatchObject({ code: "vm_stopped" });
    expect((await vm.start()).state).toBe("running");
    expect((await vm.exec("cat /root/state")).stdout).toBe("kept\n");
  });

  test("with onProgress its template is made first, and told; at the end of its block it is gone", async () => {
    // A shape of its own, whatever other runs have left.
    const shape = { image: "python", memoryMib: 160 + 2 * Math.floor(Math.random() * 40) };
    const reports: Progress[] = [];
    let id: string;
    {
      await using short = await thaw.vms.create({
        ...shape,
        onProgress: (report) => void reports.push(report),
      });
      expect(short.info.memoryMib).toBe(shape.memoryMib);
      id = short.id;
      // Nothing of it is to be kept warm once it is gone.
      await thaw.pools.set({ template: short.info.template, min: 0, max: 0 });
    }
    await expect(thaw.vms.get(id)).rejects.toMatchObject({ code: "vm_not_found", status: 404 });
    const { id: template } = await thaw.templates.ensure(shape.image, { memoryMib: shape.memoryMib });
    // Clones end a moment after their VM is gone or their pool is set; nobody tells of it but the refusal itself.
    let code: unknown;
    do code = await thaw.templates.delete(template).catch((error: unknown) => (error as ThawError).code);
    while (code === "template_in_use");
    expect(code).toBeUndefined();
    await expect(thaw.templates.get(template)).rejects.toMatchObject({ code: "template_not_found" });
    expect(reports.length).toBeGreaterThan(0);
    expect(reports[0]?.message).toEqual(expect.any(String));
  });

  test("an unknown image is told with a hint", async () => {
    const error: unknown = await thaw.vms.create({ image: "sha256:00" }).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(ThawError);
    expect((error as ThawError).status).toBeGreaterThanOrEqual(400);
  });
});

describe("files", () => {
  test("they are written, read, moved, listed and removed, whatever their names", async () => {
    const odd = new TextEncoder().encode("/work/ü & %+\n");
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
    const written = await vm.files.write(odd, bytes, { parents: true, mode: "0600" });
    expect(written).toMatchObject({ kind: "file", mode: "0600", sizeBytes: 70_000 });
    expect(await vm.files.read(odd)).toEqual(bytes);
    expect(await vm.files.read(odd, { offset: 255, length: 3 })).toEqual(Uint8Array.of(255, 0, 1));

    const notUtf8 = Uint8Array.of(...new TextEncoder().encode("/work/"), 0xff, 0xfe);
    await vm.files.move(odd, notUtf8);
    await vm.files.mkdir("/work/a/b", { parents: true });
    await vm.files.write("/work/text", "one\n");
    await vm.files.write("/work/text", "two\n", { append: true });
    expect(await vm.files.readText("/work/text")).toBe("one\ntwo\n");
    const names = (await all(vm.files.list("/work"))).map((entry) => entry.nameBase64 ?? entry.name);
    expect(names).toEqual(["a", "text", "//4="]);

    await expect(vm.files.remove("/work")).rejects.toMatchObject({ code: "directory_not_empty" });
    await vm.files.remove("/work", { recursive: true });
    await expect(vm.files.stat("/work")).rejects.toMatchObject({ code: "file_not_found", status: 404 });
  });

  test("a folder of many entries comes by pages", async () => {
    await vm.exec("mkdir /many && cd /many && seq 1 2500 | xargs touch");
    expect(await all(vm.files.list("/many"))).toHaveLength(2500);
  });

  test("they are streamed to and from this machine, and archives too", async () => {
    const folder = await mkdtemp(join(tmpdir(), "thaw-sdk-"));
    try {
      const content = Buffer.alloc(3 << 20, "thaw");
      await writeFile(join(folder, "up"), content);
      await vm.files.upload(join(folder, "up"), "/srv/up");
      await vm.files.download("/srv/up", join(folder, "down"));
      expect((await readFile(join(folder, "down"))).equals(content)).toBe(true);
      await expect(vm.files.download("/srv/none", join(folder, "none"))).rejects.toMatchObject({
        code: "file_not_found",
      });
      expect((await readdir(folder)).sort()).toEqual(["down", "up"]);

      await vm.files.unpack("/srv/tree", tarOf({ "a/b.txt": "inside" }));
      expect(await vm.files.readText("/srv/tree/a/b.txt")).toBe("inside");
      expect(Buffer.concat(await all(vm.files.pack("/srv/tree"))).includes("inside")).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("a stream that throws changes nothing, and its error is the call's", async () => {
    await vm.files.write("/srv/whole", "before");
    const error = new Error("the source is gone");
    // eslint-disable-next-line @typescript-eslint/require-await -- It is the stream's type that is asynchronous.
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1000);
      throw error;
    }
    await expect(vm.files.write("/srv/whole", broken())).rejects.toBe(error);
    expect(await vm.files.readText("/srv/whole")).toBe("before");
  });
});

test("a stream that is refused while it is sent is told why", async () => {
  async function* large(): AsyncGenerator<Uint8Array> {
    for (let mebibytes = 0; mebibytes < 64; mebibytes += 1)
      yield await Promise.resolve(new Uint8Array(1 << 20));
  }
  await expect(vm.files.write("/proc/none/file", large())).rejects.toMatchObject({ name: "ThawError" });
  await expect(vm.files.write("/etc", large())).rejects.toMatchObject({ code: "is_a_directory" });
  const gone = await thaw.vms.create({ image: "python" });
  await gone.delete();
  await expect(gone.files.write("/x", large())).rejects.toMatchObject({ code: "vm_not_found" });
});

test("a file of this machine that is not there is its own error", async () => {
  await expect(vm.files.upload("/no/such/file", "/srv/none")).rejects.toMatchObject({ code: "ENOENT" });
  await expect(vm.files.stat("/srv/none")).rejects.toMatchObject({ code: "file_not_found" });
});

describe("programs that are talked to", () => {
  test("input and output go on together, and the exit code is told", async () => {
    const process = await vm.spawn("cat; echo end >&2; exit 7");
    await process.write("one ");
    expect(await until(stdout(process), "one ")).toBe("one ");
    await process.end("two");
    const rest = await all(process);
    const of = (stream: string): string =>
      Buffer.concat(rest.filter((each) => each.stream === stream).map((each) => each.data)).toString();
    expect([of("stdout"), of("stderr")]).toEqual(["two", "end\n"]);
    expect(await process.wait()).toMatchObject({ exitCode: 7, timedOut: false });
  });

  test("many bytes go through and back while both wait for each other", async () => {
    const process = await vm.spawn(["cat"]);
    const sent = Buffer.alloc(4 << 20, "0123456789");
    const written = process.end(sent);
    let bytes = 0;
    for await (const { data } of process) bytes += data.length;
    await written;
    expect(bytes).toBe(sent.length);
    expect(process.exit?.exitCode).toBe(0);
  });

  test("a program whose output is not read is held up, and nobody else is", async () => {
    await using process = await vm.spawn("echo $$; exec cat /dev/zero");
    const pid = (await until(stdout(process), "\n")).split("\n")[0] ?? "";
    const held = `
      wrote() { grep wchar "/proc/${pid}/io"; }
      before=; while now=$(wrote); [ "$now" != "$before" ]; do before=$now; sleep 0.5; done; echo "$now"`;
    const { stdout: wchar, timedOut } = await vm.exec(held, { timeoutMs: 20_000 });
    expect(timedOut).toBe(false);
    expect(Number(wchar.split(" ")[1])).toBeLessThan(64 << 20);
  });

  test("a signal by name ends it", async () => {
    const process = await vm.spawn("echo up; sleep 60");
    await until(stdout(process), "up");
    await process.signal("SIGTERM");
    expect((await process.wait()).signal).toBe(15);
  });

  test("one that does not exist is an error with its code", async () => {
    const process = await vm.spawn(["no-such-program"]);
    await expect(process.wait()).rejects.toMatchObject({ code: "program_not_found" });
  });

  test("leaving ends it", async () => {
    let pid: string;
    {
      await using process = await vm.spawn("echo $$; exec sleep 600");
      pid = (await until(stdout(process), "\n")).trim();
    }
    const gone = await vm.exec(["tail", `--pid=${pid}`, "-f", "/dev/null"], { timeoutMs: 10_000 });
    expect(gone.timedOut).toBe(false);
  });

  test("giving it up ends its reader with the reason", async () => {
    const abort = new AbortController();
    const process = await vm.spawn("echo up; sleep 60", { signal: abort.signal });
    await until(stdout(process), "up");
    const reason = new Error("enough");
    abort.abort(reason);
    await expect(process.wait()).rejects.toBe(reason);
  });

  test("a VM that is not there is refused before anything is started", async () => {
    const { id } = await thaw.vms.create({ image: "python" });
    const other = await thaw.vms.get(id);
    await other.delete();
    await expect(other.spawn(["true"])).rejects.toMatchObject({ code: "vm_not_found", status: 404 });
    await expect(other.terminal()).rejects.toMatchObject({ code: "vm_not_found", status: 404 });
  });

  test("a terminal has a size, and another one after a resize", async () => {
    await using terminal = await vm.terminal({
      cols: 100,
      rows: 30,
      command: "stty size; read line; stty size; exit 5",
    });
    await until(terminal, "30 100");
    await terminal.resize({ cols: 120, rows: 40 });
    await terminal.write("\n");
    await until(terminal, "40 120");
    expect((await terminal.wait()).exitCode).toBe(5);
  });
});

describe("programs in the background", () => {
  test("one is started, followed, signalled and forgotten", async () => {
    const started = await vm.startExec("trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.1; done");
    expect(started.info.running).toBe(true);
    expect((await vm.execs()).map((each) => each.id)).toContain(started.id);
    let text = "";
    for await (const output of started.output()) {
      if (output.stream !== "stdout") continue;
      text += Buffer.from(output.data).toString();
      if (text === "up\n") await started.signal("SIGTERM");
    }
    expect(text).toBe("up\nbye\n");
    expect(started.info).toMatchObject({ running: false, exitCode: 9 });
    await started.remove();
    await expect(vm.getExec(started.id)).rejects.toMatchObject({ code: "exec_not_found" });
  });

  test("its end is waited for; what is no longer kept is told", async () => {
    const started = await vm.startExec(["head", "-c", "300000", "/dev/zero"]);
    expect(await started.wait()).toMatchObject({ running: false, exitCode: 0 });
    const output = await all(started.output());
    const missed = output.find((each) => each.stream === "missed");
    const kept = output.reduce((sum, each) => sum + (each.stream === "stdout" ? each.data.length : 0), 0);
    expect((missed?.stream === "missed" ? missed.stdoutBytes : 0) + kept).toBe(300_000);
    await started.remove();
  });
});

describe("copies", () => {
  test("a fork begins where the VM is, and goes its own way", async () => {
    await vm.exec("echo before > /root/where; echo in memory > /dev/shm/x");
    const { vms, pausedUs } = await vm.fork({ count: 2, metadata: { copy: true } });
    try {
      expect(pausedUs).toBeGreaterThan(0);
      const [first] = vms;
      await first?.exec("echo after > /root/where");
      expect((await first?.exec("cat /root/where /dev/shm/x"))?.stdout).toBe("after\nin memory\n");
      expect((await vm.exec("cat /root/where")).stdout).toBe("before\n");
      expect(vms.map((each) => each.info.metadata)).toEqual([{ copy: true }, { copy: true }]);
    } finally {
      for (const each of vms) await each.delete();
    }
  });

  test("a snapshot is kept, found, renamed, restored and removed", async () => {
    await vm.exec("echo kept > /root/where");
    const taken = await vm.snapshot(fresh("snap"), { metadata: { is_kept: 1 } });
    try {
      const name = fresh("snap-new");
      expect(await thaw.snapshots.rename(taken.id, name)).toMatchObject({ id: taken.id, name });
      expect((await all(thaw.snapshots.list({ metadata: { is_kept: 1 } }))).map((each) => each.id)).toContain(
        taken.id,
      );
      await vm.exec("echo later > /root/where");
      await using restored = await thaw.snapshots.restore(name, { name: fresh("restored") });
      expect((await restored.exec("cat /root/where")).stdout).toBe("kept\n");
      expect(restored.info).toMatchObject({ snapshot: taken.id, metadata: { is_kept: 1 } });
    } finally {
      await thaw.snapshots.delete(taken.id);
    }
    await expect(thaw.snapshots.get(taken.id)).rejects.toMatchObject({ code: "snapshot_not_found" });
  });
});

test("what happens to VMs is followed", async () => {
  const abort = new AbortController();
  const events = thaw.events({ signal: abort.signal });
  const first = events.next();
  const made = await thaw.vms.create({ image: "python" });
  await made.delete();
  const kinds: string[] = [];
  for (let next = await first; next.done !== true; next = await events.next()) {
    const event = next.value;
    if (event.kind !== "missed" && event.id === made.id) kinds.push(event.kind);
    if (kinds.includes("vm.deleted")) break;
  }
  await events.return(undefined);
  expect(kinds).toEqual(["vm.created", "vm.deleted"]);
});
