import { useEffect, useRef } from "preact/hooks";
import { Notices } from "./frame/notices";
import { Side } from "./frame/side";
import type { Route } from "./lib/route";
import { addressOf } from "./lib/route";
import { AuditPage } from "./pages/audit/audit-page";
import { FunctionPage } from "./pages/function/function-page";
import { FunctionsPage } from "./pages/functions/functions-page";
import { ImagesPage } from "./pages/images/images-page";
import { KeysPage } from "./pages/keys/keys-page";
import { OverviewPage } from "./pages/overview/overview-page";
import { PoolsPage } from "./pages/pools/pools-page";
import { SnapshotsPage } from "./pages/snapshots/snapshots-page";
import { TemplatePage } from "./pages/templates/template-page";
import { TemplatesPage } from "./pages/templates/templates-page";
import { VmPage } from "./pages/vm/vm-page";
import { VmsPage } from "./pages/vms/vms-page";
import { route } from "./state/location";
import { sessionProblem } from "./state/session";
import { Link } from "./ui/link";
import { Page } from "./ui/page";

function Unknown() {
  return (
    <Page title="There is no such page">
      <p>
        <Link href={addressOf({ page: "overview" })}>To the overview</Link>
      </p>
    </Page>
  );
}

function pageOf(here: Route) {
  switch (here.page) {
    case "overview":
      return <OverviewPage />;
    case "vms":
      return <VmsPage />;
    case "vm":
      return <VmPage key={here.id} id={here.id} tab={here.tab} />;
    case "snapshots":
      return <SnapshotsPage />;
    case "images":
      return <ImagesPage />;
    case "templates":
      return <TemplatesPage />;
    case "template":
      return <TemplatePage key={here.id} id={here.id} />;
    case "pools":
      return <PoolsPage />;
    case "functions":
      return <FunctionsPage />;
    case "function":
      return <FunctionPage key={here.name} name={here.name} tab={here.tab} />;
    case "keys":
      return <KeysPage />;
    case "audit":
      return <AuditPage />;
    case "unknown":
      return <Unknown />;
  }
}

/** The frame around every page. */
export function App() {
  const here = route.value;
  const main = useRef<HTMLElement>(null);
  const shown = useRef(here.page);
  useEffect(() => {
    // Whoever goes by keyboard or hears the page begins with what is new.
    if (shown.current !== here.page) main.current?.focus({ preventScroll: true });
    shown.current = here.page;
  }, [here.page]);
  return (
    <div class="frame">
      <a class="skip" href="#content">
        To the content
      </a>
      <Side route={here} />
      <main ref={main} id="content" tabIndex={-1}>
        <Notices />
        {sessionProblem.value && (
          <div class="problem" role="alert">
            <p class="said">{sessionProblem.value.message}</p>
            {sessionProblem.value.hint && <p class="hint">{sessionProblem.value.hint}</p>}
          </div>
        )}
        {pageOf(here)}
      </main>
    </div>
  );
}
