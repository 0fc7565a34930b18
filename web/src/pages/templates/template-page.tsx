import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { TemplateInfo } from "../../api/types";
import { bytes, micros, mib, moment, shortDigest } from "../../lib/format";
import { addressOf } from "../../lib/route";
import { go } from "../../state/location";
import { useResource } from "../../state/resource";
import { Fact } from "../../ui/fact";
import { FormDialog } from "../../ui/form-dialog";
import { Link } from "../../ui/link";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { Table } from "../../ui/table";

function Restores({ template }: { template: TemplateInfo }) {
  const restores = template.last_restores ?? [];
  if (restores.length === 0) {
    return <p class="quiet">None whose memory was still being filled.</p>;
  }
  return (
    <Table columns={["Restore", ["Pages mapped before it ran", "end"], ["Single faults", "end"]]}>
      {restores.map((restore, index) => (
        <tr key={index}>
          <td>{index === restores.length - 1 ? "the newest" : `${restores.length - 1 - index} before`}</td>
          <td class="end number">{restore.working_set_pages}</td>
          <td class="end number">{restore.faults}</td>
        </tr>
      ))}
    </Table>
  );
}

function Facts({ template }: { template: TemplateInfo }) {
  return (
    <dl class="facts">
      <Fact name="Id">
        <code>{template.id}</code>
      </Fact>
      <Fact name="Image">
        {template.image_names.join(", ")} <code title={template.image}>{shortDigest(template.image)}</code>
      </Fact>
      <Fact name="Shape">
        {mib(template.memory_mib)}, {template.vcpus} CPU
      </Fact>
      <Fact name="On disk">
        {bytes(template.disk_bytes)}, {template.memory_format}
      </Fact>
      <Fact name="Its memory, in the host's">{bytes(template.resident_bytes)}</Fact>
      <Fact name="Working set">
        {typeof template.working_set_pages === "number"
          ? `${template.working_set_pages} pages, ${bytes(template.working_set_pages * 4096)}`
          : "not recorded"}
      </Fact>
      <Fact name="In use">{template.in_use} clones and shells</Fact>
      <Fact name="Languages">{template.languages.join(", ") || "none"}</Fact>
      <Fact name="Engine">{template.engine}</Fact>
      <Fact name="Kernel">{template.kernel}</Fact>
      <Fact name="Guest agent">{template.agent}</Fact>
      <Fact name="Bake">
        {micros(template.bake_ms * 1000)}
        {template.boot_ms ? `, of it the boot ${micros(template.boot_ms * 1000)}` : ""}
      </Fact>
      <Fact name="Made">{moment(template.created_at * 1000)}</Fact>
    </dl>
  );
}

/** One template. */
export function TemplatePage({ id }: { id: string }) {
  const [removing, setRemoving] = useState(false);
  const template = useResource((signal) => call("get", "/v1/templates/{id}", { path: { id }, signal }), [id]);
  return (
    <Page
      title={template.data?.image_names[0] ?? id}
      before={
        <span class="quiet">
          <Link href={addressOf({ page: "templates" })}>Templates</Link> /
        </span>
      }
      actions={
        <button
          type="button"
          class="danger"
          onClick={() => {
            setRemoving(true);
          }}
        >
          Remove…
        </button>
      }
    >
      <ResourceView of={template}>
        {(data) => (
          <div class="stack">
            <section class="card">
              <Facts template={data} />
            </section>
            <section class="card">
              <h2>What the last restores cost</h2>
              <Restores template={data} />
            </section>
          </div>
        )}
      </ResourceView>
      {removing && (
        <FormDialog
          title={`Remove the template ${id}?`}
          submit="Remove"
          danger
          onClose={() => {
            setRemoving(false);
          }}
          onSubmit={async (_, signal) => {
            await call("delete", "/v1/templates/{id}", { path: { id }, signal });
            go(addressOf({ page: "templates" }));
          }}
        >
          <p>
            The frozen machine is lost, and so are its parked clones. The next run of its image bakes another
            one.
          </p>
        </FormDialog>
      )}
    </Page>
  );
}
