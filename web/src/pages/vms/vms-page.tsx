import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { VmInfo, VmState } from "../../api/types";
import { count } from "../../lib/format";
import { vmChanges } from "../../state/live";
import { useResource } from "../../state/resource";
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { CreateVmDialog } from "./create-dialog";
import { matches } from "./filter";
import { VmTable } from "./vm-table";

const PAGE = 100;
/** The API lists no more at once. */
const MOST = 1000;
const STATES: readonly VmState[] = ["running", "paused", "stopped"];

/** All VMs. */
export function VmsPage() {
  const [creating, setCreating] = useState(false);
  const [state, setState] = useState<VmState | null>(null);
  const [words, setWords] = useState("");
  const [limit, setLimit] = useState(PAGE);
  const list = useResource(
    (signal) => call("get", "/v1/vms", { query: state ? { state, limit } : { limit }, signal }),
    [state, limit],
    vmChanges,
  );

  const table = (vms: VmInfo[], more: boolean) => {
    if (vms.length === 0 && !state) {
      return (
        <Empty command="thaw vm create python --name web">
          There are no VMs. Create one here, or from a terminal:
        </Empty>
      );
    }
    const shown = vms.filter((vm) => matches(vm, words));
    return (
      <>
        <VmTable vms={shown} />
        <p class="quiet" role="status">
          {shown.length === vms.length
            ? count(vms.length, "VM")
            : `${shown.length} of ${count(vms.length, "VM")}`}
          {more && limit >= MOST && " (the newest; filter to see others)"}
        </p>
        {more && limit < MOST && (
          <p class="more">
            <button
              type="button"
              onClick={() => {
                setLimit(Math.min(MOST, limit + PAGE));
              }}
            >
              Show more
            </button>
          </p>
        )}
      </>
    );
  };

  return (
    <Page
      title="VMs"
      actions={
        <button
          type="button"
          class="primary"
          onClick={() => {
            setCreating(true);
          }}
        >
          Create a VM
        </button>
      }
    >
      <div class="bar">
        <input
          class="grow"
          type="search"
          aria-label="Filter VMs"
          placeholder="Filter by name, id, image or metadata"
          value={words}
          onInput={(event) => {
            setWords(event.currentTarget.value);
          }}
        />
        <select
          aria-label="State"
          value={state ?? ""}
          onChange={(event) => {
            setState(STATES.find((each) => each === event.currentTarget.value) ?? null);
          }}
        >
          <option value="">every state</option>
          {STATES.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </div>
      <ResourceView of={list}>
        {({ vms, next_cursor: cursor }) => table(vms, typeof cursor === "string")}
      </ResourceView>
      {creating && (
        <CreateVmDialog
          onClose={() => {
            setCreating(false);
          }}
        />
      )}
    </Page>
  );
}
