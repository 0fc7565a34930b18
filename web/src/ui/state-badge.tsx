import type { VmInfo } from "../api/types";

interface Props {
  vm: Pick<VmInfo, "state" | "paused_by" | "stopped_reason">;
}

/** What a VM does, and why. */
export function StateBadge({ vm }: Props) {
  const why = vm.paused_by === "idle" ? "idle" : null;
  return (
    <span class={`badge ${vm.state}`} {...(vm.stopped_reason ? { title: vm.stopped_reason } : {})}>
      {vm.state}
      {why && ` (${why})`}
    </span>
  );
}
