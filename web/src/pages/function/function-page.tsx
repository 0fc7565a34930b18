import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { FunctionInfo } from "../../api/types";
import { addressOf, FUNCTION_TABS, type FunctionTab } from "../../lib/route";
import { go } from "../../state/location";
import { useResource } from "../../state/resource";
import { FormDialog } from "../../ui/form-dialog";
import { Link } from "../../ui/link";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { Tabs } from "../../ui/tabs";
import { DeployDialog } from "../functions/deploy-dialog";
import { functionChanges, removeFunction } from "../functions/function-calls";
import { AliasesTab } from "./aliases-tab";
import { EventsTab } from "./events-tab";
import { FunctionFacts } from "./function-facts";
import { InvokeTab } from "./invoke-tab";
import { LogsTab } from "./logs-tab";
import { VersionsTab } from "./versions-tab";

interface Props {
  name: string;
  tab: FunctionTab;
}

function TabBody({ of, tab }: { of: FunctionInfo; tab: FunctionTab }) {
  switch (tab) {
    case "invoke":
      return <InvokeTab of={of} />;
    case "versions":
      return <VersionsTab of={of} />;
    case "aliases":
      return <AliasesTab of={of} />;
    case "logs":
      return <LogsTab name={of.name} />;
    case "events":
      return <EventsTab name={of.name} />;
  }
}

/** One function. */
export function FunctionPage({ name, tab }: Props) {
  const [asking, setAsking] = useState<"deploy" | "remove" | null>(null);
  const found = useResource(
    (signal) => call("get", "/v1/functions/{name}", { path: { name }, signal }),
    [name],
    functionChanges,
  );
  const close = () => {
    setAsking(null);
  };
  return (
    <Page
      title={name}
      before={
        <span class="quiet">
          <Link href={addressOf({ page: "functions" })}>Functions</Link> /
        </span>
      }
      actions={
        <>
          <button
            type="button"
            onClick={() => {
              setAsking("deploy");
            }}
          >
            Another version…
          </button>
          <button
            type="button"
            class="danger"
            onClick={() => {
              setAsking("remove");
            }}
          >
            Remove…
          </button>
        </>
      }
    >
      <ResourceView of={found}>
        {(data) => (
          <>
            <FunctionFacts of={data} />
            <Tabs
              label="Parts of the function"
              tabs={FUNCTION_TABS}
              current={tab}
              address={(each) => addressOf({ page: "function", name, tab: each })}
            />
            <TabBody of={data} tab={tab} />
          </>
        )}
      </ResourceView>
      {asking === "deploy" && found.data && <DeployDialog of={found.data} onClose={close} />}
      {asking === "remove" && (
        <FormDialog
          title={`Remove the function ${name}?`}
          submit="Remove"
          danger
          onClose={close}
          onSubmit={async (_, signal) => {
            await removeFunction(name, signal);
            go(addressOf({ page: "functions" }));
          }}
        >
          <p>
            All of its versions, aliases, logs and events are lost. Events that it serves now are served to
            their end.
          </p>
        </FormDialog>
      )}
    </Page>
  );
}
