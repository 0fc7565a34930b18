import { useState } from "preact/hooks";
import { call } from "../../api/client";
import { bytes, micros, mib } from "../../lib/format";
import { addressOf } from "../../lib/route";
import { useResource } from "../../state/resource";
import { Age } from "../../ui/age";
import { Empty } from "../../ui/empty";
import { Link } from "../../ui/link";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { BakeDialog } from "./bake-dialog";
import { Table } from "../../ui/table";

/** All templates. */
export function TemplatesPage() {
  const [baking, setBaking] = useState(false);
  const list = useResource((signal) => call("get", "/v1/templates", { signal }), []);
  return (
    <Page
      title="Templates"
      actions={
        <button
          type="button"
          class="primary"
          onClick={() => {
            setBaking(true);
          }}
        >
          Make a template
        </button>
      }
    >
      <ResourceView of={list}>
        {({ templates }) =>
          templates.length === 0 ? (
            <Empty command="thaw init">
              There are no templates. The first run of an image bakes one, and so does:
            </Empty>
          ) : (
            <Table
              columns={[
                "Template",
                "Shape",
                ["On disk", "end wide-only"],
                ["In memory", "end wide-only"],
                ["Working set", "end wide-only"],
                ["Bake", "end wide-only"],
                ["In use", "end wide-only"],
                ["Age", "wide-only"],
              ]}
            >
              {templates.map((template) => (
                <tr key={template.id}>
                  <th scope="row">
                    <Link href={addressOf({ page: "template", id: template.id })}>
                      {template.image_names[0] ?? template.id}
                    </Link>
                    <div class="quiet mono">{template.id}</div>
                  </th>
                  <td>
                    {mib(template.memory_mib)}, {template.vcpus} CPU
                  </td>
                  <td class="wide-only end number">{bytes(template.disk_bytes)}</td>
                  <td class="wide-only end number">{bytes(template.resident_bytes)}</td>
                  <td class="wide-only end number">
                    {typeof template.working_set_pages === "number"
                      ? bytes(template.working_set_pages * 4096)
                      : "not known"}
                  </td>
                  <td class="wide-only end number">{micros(template.bake_ms * 1000)}</td>
                  <td class="wide-only end number">{template.in_use}</td>
                  <td class="wide-only number">
                    <Age at={template.created_at * 1000} />
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </ResourceView>
      {baking && (
        <BakeDialog
          onDone={list.reload}
          onClose={() => {
            setBaking(false);
          }}
        />
      )}
    </Page>
  );
}
