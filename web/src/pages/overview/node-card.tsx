import { send } from "../../api/client";
import type { Readiness } from "../../api/types";
import { liveness } from "../../state/live";
import { useResource } from "../../state/resource";
import { ResourceView } from "../../ui/resource-view";
import { Fact } from "../../ui/fact";

/** Both answers say what the node is; one of them that it is shutting down. */
async function readiness(signal: AbortSignal): Promise<Readiness> {
  const response = await send("/readyz", { signal });
  return (await response.json()) as Readiness;
}

/** Whether programs can run, and with what. */
export function NodeCard() {
  const live = liveness.value;
  // A connection that comes back may be one to another daemon.
  const node = useResource(readiness, [live]);
  return (
    <section class="card" aria-label="Node">
      <h2>Node</h2>
      <ResourceView of={node}>
        {(data) => (
          <dl class="facts node-facts">
            <Fact name="State">
              <span class={data.ready ? "badge good" : "badge bad"}>
                {data.ready ? "ready" : "shutting down"}
              </span>
            </Fact>
            <Fact name="Engine">
              {data.engine}
              <div class="quiet">{data.engine_reason}</div>
            </Fact>
            <Fact name="Memory of clones">
              {data.memory_mode}
              <div class="quiet">{data.memory_reason}</div>
            </Fact>
          </dl>
        )}
      </ResourceView>
    </section>
  );
}
