import { useRef } from "preact/hooks";
import { call } from "../../api/client";
import type { VmInfo, VmUsage } from "../../api/types";
import { bytes, micros } from "../../lib/format";
import { useResource } from "../../state/resource";
import { useSampling } from "../../state/sampled";
import { Meter } from "../../ui/meter";
import { ResourceView } from "../../ui/resource-view";
import { cpuShare, type CpuSample } from "./cpu-share";

/** The API tells no events of usage. */
const SAMPLE_MS = 2000;

function GuestMeters({
  guest,
  vcpus,
  share,
}: {
  guest: NonNullable<VmUsage["guest"]>;
  vcpus: number;
  share: number;
}) {
  const memory = guest.memory_total_bytes - guest.memory_available_bytes;
  const disk = guest.disk_total_bytes - guest.disk_available_bytes;
  return (
    <>
      <Meter
        label="CPU"
        value={share}
        max={vcpus}
        text={`${(share * 100).toFixed(0)} % of ${vcpus * 100} %`}
      />
      <Meter
        label="Memory"
        value={memory}
        max={guest.memory_total_bytes}
        text={`${bytes(memory)} of ${bytes(guest.memory_total_bytes)}`}
      />
      <Meter
        label="Disk"
        value={disk}
        max={guest.disk_total_bytes}
        text={`${bytes(disk)} of ${bytes(guest.disk_total_bytes)}`}
      />
    </>
  );
}

/** What a VM uses at this moment, as its own kernel and the host count it. Looking at it is no use of the VM. */
export function VmUsageView({ vm }: { vm: VmInfo }) {
  const ticks = useSampling(SAMPLE_MS);
  const last = useRef<CpuSample | null>(null);
  const usage = useResource(
    async (signal) => {
      const now = await call("get", "/v1/vms/{id}/usage", { path: { id: vm.id }, signal });
      const sample = now.guest ? { atMs: performance.now(), cpuUs: now.guest.cpu_us } : null;
      const share = cpuShare(last.current, sample);
      last.current = sample;
      return { ...now, share };
    },
    [vm.id],
    ticks,
  );
  return (
    <section class="card" aria-label="Usage">
      <ResourceView of={usage}>
        {({ guest, host, share }) => (
          <>
            {guest ? (
              <GuestMeters guest={guest} vcpus={vm.vcpus} share={share} />
            ) : (
              <p class="quiet">It does not run, so it has no figures of its own.</p>
            )}
            <p class="quiet">
              On the host: {host.memory ? `${bytes(host.memory.proportional_bytes)} of memory` : "no memory"},{" "}
              {bytes(host.disk_bytes)} of disk
              {guest && `; ${guest.processes} processes, ${micros(guest.cpu_us)} of CPU time`}
            </p>
          </>
        )}
      </ResourceView>
    </section>
  );
}
