import { useState } from "preact/hooks";
import { mib, span } from "../../lib/format";
import { addressOf } from "../../lib/route";
import { useResource } from "../../state/resource";
import { useSampling } from "../../state/sampled";
import { Empty } from "../../ui/empty";
import { Link } from "../../ui/link";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { BoundsDialog } from "./bounds-dialog";
import { listPools, POOL_SAMPLE_MS, templateTitle, type NamedPool } from "./pools";
import { Table } from "../../ui/table";

function Row({ pool, onChange }: { pool: NamedPool; onChange: () => void }) {
  const title = templateTitle(pool.of, pool.template);
  return (
    <tr>
      <th scope="row">
        <Link href={addressOf({ page: "template", id: pool.template })}>{title}</Link>
        {pool.of && (
          <span class="quiet">
            {" "}
            {mib(pool.of.memory_mib)}, {pool.of.vcpus} CPU
          </span>
        )}
        <div class="quiet mono">{pool.template}</div>
        {pool.last_error && (
          <p class="problem">
            {pool.last_error} ({pool.failures} in a row)
          </p>
        )}
      </th>
      <td class="end number">
        {pool.parked} of {pool.target}
      </td>
      <td class="end number wide-only">{pool.starting}</td>
      <td class="end number wide-only">{pool.shells}</td>
      <td class="end number wide-only">{pool.leased}</td>
      <td class="end number wide-only">{pool.waiting}</td>
      <td class="end number">
        {pool.min}–{pool.max}
        <div class="quiet wide-only">idle after {span(pool.idle_ms / 1000)}</div>
      </td>
      <td class="end">
        <button type="button" aria-label={`Change the bounds of ${title}`} onClick={onChange}>
          Change…
        </button>
      </td>
    </tr>
  );
}

/** All pools. */
export function PoolsPage() {
  const [changing, setChanging] = useState<NamedPool | "new" | null>(null);
  const pools = useResource(listPools, [], useSampling(POOL_SAMPLE_MS));
  return (
    <Page
      title="Pools"
      actions={
        <button
          type="button"
          class="primary"
          onClick={() => {
            setChanging("new");
          }}
        >
          Keep an image parked
        </button>
      }
    >
      <ResourceView of={pools}>
        {(list) =>
          list.length === 0 ? (
            <Empty command="thaw pool set python --min 2 --max 8">
              There are no pools. The first run of an image makes one, and so does:
            </Empty>
          ) : (
            <Table
              columns={[
                "Template",
                ["Parked", "end"],
                ["Starting", "end wide-only"],
                ["Shells", "end wide-only"],
                ["Leased", "end wide-only"],
                ["Waiting", "end wide-only"],
                ["Bounds", "end"],
              ]}
              actions
            >
              {list.map((pool) => (
                <Row
                  key={pool.template}
                  pool={pool}
                  onChange={() => {
                    setChanging(pool);
                  }}
                />
              ))}
            </Table>
          )
        }
      </ResourceView>
      {changing && (
        <BoundsDialog
          pool={changing === "new" ? null : changing}
          onDone={pools.reload}
          onClose={() => {
            setChanging(null);
          }}
        />
      )}
    </Page>
  );
}
