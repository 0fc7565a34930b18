import { call } from "../../api/client";
import type { VmState } from "../../api/types";
import { count, mib } from "../../lib/format";
import { vmChanges } from "../../state/live";
import { useResource } from "../../state/resource";
import { ResourceView } from "../../ui/resource-view";

const STATES: readonly VmState[] = ["running", "paused", "stopped"];

/** How many VMs there are of each state. */
export function VmsCard() {
  const list = useResource(
    (signal) => call("get", "/v1/vms", { query: { limit: 1000 }, signal }),
    [],
    vmChanges,
  );
  return (
    <section class="card" aria-label="VMs">
      <h2>VMs that stay</h2>
      <ResourceView of={list}>
        {({ vms, next_cursor: more }) => (
          <>
            <div class="tallies">
              {STATES.map((state) => (
                <div key={state}>
                  <div class="tally number">{vms.filter((vm) => vm.state === state).length}</div>
                  <span class={`badge ${state}`}>{state}</span>
                </div>
              ))}
            </div>
            <p class="quiet">
              {more ? "The newest 1000 are counted" : count(vms.length, "VM")}; those that run or are paused
              may have {mib(vms.reduce((sum, vm) => sum + (vm.state === "stopped" ? 0 : vm.memory_mib), 0))}{" "}
              of memory together.
            </p>
          </>
        )}
      </ResourceView>
    </section>
  );
}
