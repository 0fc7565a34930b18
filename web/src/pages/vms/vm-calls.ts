/** What can be done with a VM as a whole. */
import { call } from "../../api/client";
import type { VmInfo } from "../../api/types";
import { addressOf } from "../../lib/route";
import { vmChanges } from "../../state/live";
import { tellDone } from "../../state/notices";

/** The address of a VM's page. */
export function vmAddress(id: string): string {
  return addressOf({ page: "vm", id, tab: "terminal" });
}

/** How a VM is called where people read it. */
export function vmTitle(vm: Pick<VmInfo, "name" | "id">): string {
  return vm.name ?? vm.id;
}

export type Turn = "pause" | "resume" | "stop" | "start";

const TURNS = {
  pause: "/v1/vms/{id}/pause",
  resume: "/v1/vms/{id}/resume",
  stop: "/v1/vms/{id}/stop",
  start: "/v1/vms/{id}/start",
} as const;

/** Lists are read anew at once, also where the page is not live. */
function changed(): void {
  vmChanges.value += 1;
}

export async function turnVm(id: string, turn: Turn): Promise<void> {
  await call("post", TURNS[turn], { path: { id } });
  changed();
}

export async function renameVm(id: string, name: string, signal: AbortSignal): Promise<void> {
  await call("patch", "/v1/vms/{id}", { path: { id }, body: { name }, signal });
  changed();
}

export async function removeVm(id: string, signal: AbortSignal): Promise<void> {
  await call("delete", "/v1/vms/{id}", { path: { id }, signal });
  changed();
}

export async function forkVm(vm: VmInfo, names: string[], count: number, signal: AbortSignal): Promise<void> {
  const body = names.length > 0 ? { count, names } : { count };
  const { vms } = await call("post", "/v1/vms/{id}/fork", { path: { id: vm.id }, body, signal });
  changed();
  const [first] = vms;
  if (!first) return;
  const link = { href: vmAddress(first.id), text: vmTitle(first) };
  tellDone(
    `${vmTitle(vm)} was forked:`,
    vms.length === 1 ? link : { ...link, text: `${vms.length} VMs, first ${link.text}` },
  );
}

export async function snapshotVm(vm: VmInfo, name: string, signal: AbortSignal): Promise<void> {
  const snapshot = await call("post", "/v1/vms/{id}/snapshot", {
    path: { id: vm.id },
    body: { name },
    signal,
  });
  tellDone(`The snapshot ${snapshot.name} of ${vmTitle(vm)} is on the disk:`, {
    href: addressOf({ page: "snapshots" }),
    text: "all snapshots",
  });
}
