import { call } from "../../api/client";
import { ApiError } from "../../api/error";
import type { VmInfo } from "../../api/types";
import { addressOf, VM_TABS, type VmTab } from "../../lib/route";
import { vmChanges } from "../../state/live";
import { useResource } from "../../state/resource";
import { Link } from "../../ui/link";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { StateBadge } from "../../ui/state-badge";
import { Tabs } from "../../ui/tabs";
import { VmControls } from "../vms/vm-controls";
import { vmTitle } from "../vms/vm-calls";
import { ConsoleTab } from "./console-tab";
import { FilesTab } from "./files/files-tab";
import { PortsTab } from "./ports-tab";
import { RunTab } from "./run/run-tab";
import { TerminalTab } from "./terminal/terminal-tab";
import { VmFacts } from "./vm-facts";

interface Props {
  id: string;
  tab: VmTab;
}

function Gone({ id }: { id: string }) {
  return (
    <Page title={id}>
      <div class="empty">
        <p>There is no such VM (any more).</p>
        <Link href={addressOf({ page: "vms" })}>All VMs</Link>
      </div>
    </Page>
  );
}

function TabBody({ vm, tab }: { vm: VmInfo; tab: VmTab }) {
  switch (tab) {
    case "terminal":
      return <TerminalTab vm={vm} />;
    case "files":
      return <FilesTab vm={vm} />;
    case "run":
      return <RunTab vm={vm} />;
    case "console":
      return <ConsoleTab id={vm.id} />;
    case "ports":
      return <PortsTab id={vm.id} />;
  }
}

/** One VM. */
export function VmPage({ id, tab }: Props) {
  const vm = useResource((signal) => call("get", "/v1/vms/{id}", { path: { id }, signal }), [id], vmChanges);
  if (vm.error instanceof ApiError && vm.error.status === 404) return <Gone id={id} />;
  const title = vm.data ? vmTitle(vm.data) : id;
  return (
    <Page
      title={title}
      before={
        <span class="quiet">
          <Link href={addressOf({ page: "vms" })}>VMs</Link> /
        </span>
      }
      after={vm.data && <StateBadge vm={vm.data} />}
      actions={vm.data && <VmControls vm={vm.data} roomy />}
    >
      <ResourceView of={vm}>
        {(data) => (
          <>
            <VmFacts vm={data} />
            <Tabs
              label="Parts of the VM"
              tabs={VM_TABS}
              current={tab}
              address={(each) => addressOf({ page: "vm", id, tab: each })}
            />
            <TabBody vm={data} tab={tab} />
          </>
        )}
      </ResourceView>
    </Page>
  );
}
