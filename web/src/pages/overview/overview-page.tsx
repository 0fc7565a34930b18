import { addressOf } from "../../lib/route";
import { Link } from "../../ui/link";
import { Page } from "../../ui/page";
import { EventsCard } from "./events-card";
import { NodeCard } from "./node-card";
import { Playground } from "./playground";
import { PoolsCard } from "./pools-card";
import { VmsCard } from "./vms-card";

/** What the node does now, and a place to try something. */
export function OverviewPage() {
  return (
    <Page
      title="Overview"
      actions={
        <Link class="button" href={addressOf({ page: "vms" })}>
          All VMs
        </Link>
      }
    >
      <div class="cards">
        <NodeCard />
        <VmsCard />
      </div>
      <div class="stack">
        <Playground />
        <div class="cards overview-lists">
          <PoolsCard />
          <EventsCard />
        </div>
      </div>
    </Page>
  );
}
