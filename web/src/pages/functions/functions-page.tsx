import { useState } from "preact/hooks";
import { call } from "../../api/client";
import { mib } from "../../lib/format";
import { addressOf } from "../../lib/route";
import { useResource } from "../../state/resource";
import { Age } from "../../ui/age";
import { Empty } from "../../ui/empty";
import { Link } from "../../ui/link";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { DeployDialog } from "./deploy-dialog";
import { functionChanges } from "./function-calls";
import { Table } from "../../ui/table";

/** All functions. */
export function FunctionsPage() {
  const [deploying, setDeploying] = useState(false);
  const list = useResource((signal) => call("get", "/v1/functions", { signal }), [], functionChanges);
  return (
    <Page
      title="Functions"
      actions={
        <button
          type="button"
          class="primary"
          onClick={() => {
            setDeploying(true);
          }}
        >
          Deploy a function
        </button>
      }
    >
      <ResourceView of={list}>
        {({ functions }) =>
          functions.length === 0 ? (
            <Empty
              command={
                "thaw fn init python hello\nthaw fn deploy hello --image python --handler app.handle --code hello"
              }
            >
              There are no functions. Deploy one here, or from a terminal:
            </Empty>
          ) : (
            <Table
              columns={[
                "Function",
                "Kind",
                ["Version", "end"],
                ["Image", "wide-only"],
                ["Memory", "wide-only"],
                ["Running", "end"],
                ["Waiting", "end wide-only"],
                ["Deployed", "wide-only"],
                ["Last error", "wide-only"],
              ]}
            >
              {functions.map(({ name, newest, running, waiting, last_error: error }) => (
                <tr key={name}>
                  <th scope="row">
                    <Link href={addressOf({ page: "function", name, tab: "invoke" })}>{name}</Link>
                  </th>
                  <td>{newest.kind}</td>
                  <td class="end number">{newest.version}</td>
                  <td class="wide-only">{newest.image}</td>
                  <td class="wide-only number">{mib(newest.memory_mib)}</td>
                  <td class="end number">{running}</td>
                  <td class="end number wide-only">{waiting}</td>
                  <td class="wide-only">
                    <Age at={newest.created_at_ms} /> ago
                  </td>
                  <td class="wide-only">{error?.message ?? ""}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </ResourceView>
      {deploying && (
        <DeployDialog
          onClose={() => {
            setDeploying(false);
          }}
        />
      )}
    </Page>
  );
}
