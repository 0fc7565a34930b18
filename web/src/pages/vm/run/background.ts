/** Programs in the background of a VM, as something that changes elsewhere too. */
import { signal } from "@preact/signals";
import { address, call } from "../../../api/client";
import { followEvents } from "../../../api/stream";
import type { BackgroundExec, MissedOutput, OutputChunk } from "../../../api/types";
import { bytes } from "../../../lib/format";

/** It counts up when this page has started, ended or forgotten one, or seen one end. */
export const backgroundChanges = signal(0);

export async function startInBackground(
  id: string,
  command: string,
  signal: AbortSignal,
): Promise<BackgroundExec> {
  const exec = await call("post", "/v1/vms/{id}/execs", { path: { id }, body: { command }, signal });
  backgroundChanges.value += 1;
  return exec;
}

export async function signalBackground(id: string, exec: number, number: number): Promise<void> {
  await call("post", "/v1/vms/{id}/execs/{exec}/signal", { path: { id, exec }, body: { signal: number } });
  backgroundChanges.value += 1;
}

export async function forgetBackground(id: string, exec: number, signal: AbortSignal): Promise<void> {
  await call("delete", "/v1/vms/{id}/execs/{exec}", { path: { id, exec }, signal });
  backgroundChanges.value += 1;
}

/** What one has written and writes, both streams as one text, to its end. */
export async function* followBackground(
  id: string,
  exec: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const url = address("get", "/v1/vms/{id}/execs/{exec}/output", { path: { id, exec }, query: {} });
  for await (const { event, data } of followEvents(url, { signal })) {
    if (event === "stdout" || event === "stderr") yield (JSON.parse(data) as OutputChunk).data;
    if (event === "missed") {
      const { stdout_bytes: out, stderr_bytes: err } = JSON.parse(data) as MissedOutput;
      yield `[${bytes(out + err)} are no longer kept]\n`;
    }
    if (event === "exec") backgroundChanges.value += 1;
  }
}
