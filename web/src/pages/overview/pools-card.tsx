import { addressOf } from "../../lib/route";
import { mib } from "../../lib/format";
import { useResource } from "../../state/resource";
import { useSampling } from "../../state/sampled";
import { Link } from "../../ui/link";
import { ResourceView } from "../../ui/resource-view";
import { listPools, POOL_SAMPLE_MS, templateTitle } from "../pools/pools";
import { Table } from "../../ui/table";

/** What is kept parked. */
export function PoolsCard() {
  const pools = useResource(listPools, [], useSampling(POOL_SAMPLE_MS));
  return (
    <section class="card" aria-label="Pools">
      <h2>
        <Link href={addressOf({ page: "pools" })}>Pools</Link>
      </h2>
      <ResourceView of={pools}>
        {(list) =>
          list.length === 0 ? (
            <p class="quiet">None yet. The first run of an image makes one.</p>
          ) : (
            <Table columns={["Template", ["Parked", "end"], ["Shells", "end"], ["Bounds", "end"]]}>
              {list.map((pool) => (
                <tr key={pool.template}>
                  <th scope="row">
                    <Link href={addressOf({ page: "template", id: pool.template })}>
                      {templateTitle(pool.of, pool.template)}
                    </Link>
                    {pool.of && <span class="quiet"> {mib(pool.of.memory_mib)}</span>}
                    {pool.last_error && <div class="badge bad">{pool.last_error}</div>}
                  </th>
                  <td class="end number">{pool.parked}</td>
                  <td class="end number">{pool.shells}</td>
                  <td class="end number">
                    {pool.min}–{pool.max}
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </ResourceView>
    </section>
  );
}
