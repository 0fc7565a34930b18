/**
 * What happens to VMs and snapshots, as it happens.
 *
 *   connecting -> live -> lost -> (back-off) -> connecting
 *                  |                              ^
 *                  +-> asleep (page hidden) ------+ (page shown)
 *
 * A hidden page lets its connection go: browsers have only six for a server, and other tabs need them. Whoever comes
 * back tells the last event that it read and is told what it missed, or that all has to be listed anew.
 */
import { signal } from "@preact/signals";
import { isAbort } from "../api/error";
import { followEvents } from "../api/stream";
import type { LifecycleEvent } from "../api/types";
import { backoffMs, pause } from "../lib/backoff";
import { prepend } from "../lib/bounded";

/** Recent events are kept for the overview; older ones are forgotten. */
const KEPT_EVENTS = 100;

export type Liveness = "connecting" | "live" | "lost" | "asleep";

export const liveness = signal<Liveness>("connecting");
export const recent = signal<readonly LifecycleEvent[]>([]);
/** They count up whenever a list of VMs, or of snapshots, has to be read again. */
export const vmChanges = signal(0);
export const snapshotChanges = signal(0);

let lastId: string | null = null;

function listAnew(): void {
  vmChanges.value += 1;
  snapshotChanges.value += 1;
}

function take(event: LifecycleEvent): void {
  recent.value = prepend(recent.value, event, KEPT_EVENTS);
  if (event.kind.startsWith("snapshot.")) snapshotChanges.value += 1;
  else vmChanges.value += 1;
}

/** Reads events until the stream ends; `connected` hears when it begins. */
async function readOnce(signal: AbortSignal, connected: () => void): Promise<void> {
  const headers = lastId === null ? {} : { "Last-Event-ID": lastId };
  for await (const { event, data, id } of followEvents("/v1/events", { signal, headers }, connected)) {
    if (id !== null) lastId = id;
    if (event === "missed") listAnew();
    else take(JSON.parse(data) as LifecycleEvent);
  }
}

async function stayConnected(signal: AbortSignal): Promise<void> {
  const givenUp = () => signal.aborted;
  let failures = 0;
  while (!givenUp()) {
    try {
      await readOnce(signal, () => {
        failures = 0;
        // Without a last event there is nothing that the server could tell as missed.
        if (liveness.value !== "live" && lastId === null) listAnew();
        liveness.value = "live";
      });
    } catch (error) {
      if (isAbort(error)) return;
    }
    if (givenUp()) return;
    liveness.value = "lost";
    await pause(backoffMs(failures), signal);
    failures += 1;
  }
}

/** Keeps the dashboard live for as long as its page is shown. */
export function startLive(): void {
  let connection: AbortController | null = null;
  const turn = () => {
    if (document.hidden) {
      connection?.abort();
      connection = null;
      liveness.value = "asleep";
    } else if (!connection) {
      connection = new AbortController();
      liveness.value = "connecting";
      void stayConnected(connection.signal);
    }
  };
  document.addEventListener("visibilitychange", turn);
  turn();
}
