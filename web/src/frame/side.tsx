import icon from "../icon.svg";
import { addressOf, type Place, type Route } from "../lib/route";
import { liveness, type Liveness } from "../state/live";
import { tellProblem } from "../state/notices";
import { hasSession, logOut, mayAdminister } from "../state/session";
import { Link } from "../ui/link";

const OPEN_PLACES: readonly [Place, string][] = [
  ["vms", "VMs"],
  ["snapshots", "Snapshots"],
  ["functions", "Functions"],
  ["images", "Images"],
  ["templates", "Templates"],
  ["pools", "Pools"],
];
const ADMIN_PLACES: readonly [Place, string][] = [
  ["keys", "Keys"],
  ["audit", "Audit log"],
];
const BELONGS: Partial<Record<Route["page"], Place>> = {
  vm: "vms",
  function: "functions",
  template: "templates",
};

const SAID: Record<Liveness, string> = {
  connecting: "Connecting…",
  live: "Live",
  lost: "Not live: reconnecting",
  asleep: "Not live",
};

/** The way to every page, and whether what they show is live. */
export function Side({ route }: { route: Route }) {
  const here = BELONGS[route.page] ?? route.page;
  const places = mayAdminister.value ? [...OPEN_PLACES, ...ADMIN_PLACES] : OPEN_PLACES;
  return (
    <header class="side">
      <Link class="brand" href={addressOf({ page: "overview" })}>
        <img src={icon} alt="" /> Thaw
      </Link>
      <nav class="places" aria-label="Pages">
        <Link href={addressOf({ page: "overview" })} current={here === "overview"}>
          Overview
        </Link>
        {places.map(([place, name]) => (
          <Link key={place} href={addressOf({ page: place })} current={here === place}>
            {name}
          </Link>
        ))}
      </nav>
      <div class="foot">
        <span class={`live live-${liveness.value}`} role="status">
          {SAID[liveness.value]}
        </span>
        <a class="wide-only" href="/docs">
          API reference
        </a>
        {hasSession.value && (
          <button
            type="button"
            onClick={() => {
              logOut().catch(tellProblem);
            }}
          >
            Log out
          </button>
        )}
      </div>
    </header>
  );
}
