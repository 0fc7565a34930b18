// What happens to VMs and snapshots.

import type { Api } from "./http/api.js";
import type { CallOptions, LifecycleEvent, Schemas } from "./types.js";

/** Which events to follow. */
export interface LifecycleOptions extends CallOptions {
  /** Only those of the VM or snapshot of this id. */
  id?: string | undefined;
  /** The number of the last event that was read: what came meanwhile is told first, as far as it is kept. */
  after?: number | undefined;
}

/** Something that happened, or a word that something was missed. */
export type Lifecycle =
  | (LifecycleEvent & {
      /** Its number, for `after`. */
      number: number;
    })
  /** `count` events are lost, 0 where nobody knows how many: list what there is now. */
  | ({ kind: "missed" } & Schemas["MissedEvents"]);

/** Follows what happens, until the call is given up or the server stops. */
export async function* follow(api: Api, { id, after, signal }: LifecycleOptions): AsyncGenerator<Lifecycle> {
  const headers: Record<string, string> = after === undefined ? {} : { "last-event-id": String(after) };
  for await (const event of api.events("get", "/v1/events", { query: { id }, headers, signal })) {
    if (event.name === "missed") yield { kind: "missed", ...(event.data as Schemas["MissedEvents"]) };
    else yield { ...(event.data as LifecycleEvent), number: Number(event.id) };
  }
}
