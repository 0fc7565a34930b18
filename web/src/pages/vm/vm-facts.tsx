import type { VmInfo } from "../../api/types";
import { mib, shortDigest, span } from "../../lib/format";
import { addressOf } from "../../lib/route";
import { Age, Until } from "../../ui/age";
import { Fact } from "../../ui/fact";
import { Link } from "../../ui/link";
import { VmUsageView } from "./vm-usage";

/** What a VM is, and what it uses. */
export function VmFacts({ vm }: { vm: VmInfo }) {
  const env = Object.entries(vm.env);
  return (
    <div class="cards vm-cards">
      <section class="card">
        <dl class="facts">
          <Fact name="Id">
            <code>{vm.id}</code>
          </Fact>
          <Fact name="Image">{shortDigest(vm.image)}</Fact>
          <Fact name="Template">
            <Link href={addressOf({ page: "template", id: vm.template })}>{vm.template}</Link>
          </Fact>
          <Fact name="Shape">
            {mib(vm.memory_mib)}, {vm.vcpus} CPU, disk {mib(vm.disk_mib)}
          </Fact>
          <Fact name="Age">
            <Age at={vm.created_at * 1000} />
          </Fact>
          <Fact name="Idle time">{vm.idle_timeout_s ? span(vm.idle_timeout_s) : "never paused"}</Fact>
          <Fact name="Deleted">
            {vm.expires_at ? <Until at={vm.expires_at * 1000} /> : "by request only"}
          </Fact>
          {vm.snapshot && <Fact name="Restored from">{vm.snapshot}</Fact>}
          {vm.stopped_reason && <Fact name="Stopped because">{vm.stopped_reason}</Fact>}
          {env.length > 0 && (
            <Fact name="Environment">
              <pre>{env.map(([key, value]) => `${key}=${value}`).join("\n")}</pre>
            </Fact>
          )}
          {Object.keys(vm.metadata).length > 0 && (
            <Fact name="Metadata">
              <pre>{JSON.stringify(vm.metadata, null, 1)}</pre>
            </Fact>
          )}
        </dl>
      </section>
      <VmUsageView vm={vm} />
    </div>
  );
}
