import { timeOfDay } from "../../lib/format";
import { addressOf } from "../../lib/route";
import { recent } from "../../state/live";
import { Link } from "../../ui/link";
import { vmAddress } from "../vms/vm-calls";

/** What happened to VMs and snapshots since this page was opened. */
export function EventsCard() {
  const events = recent.value;
  return (
    <section class="card" aria-label="Recent events">
      <h2>Recent events</h2>
      {events.length === 0 ? (
        <p class="quiet">Nothing has happened since this page was opened.</p>
      ) : (
        <ol class="events">
          {events.map((event, index) => {
            const name = event.name ?? event.id;
            const snapshot = event.kind.startsWith("snapshot.");
            const gone = event.kind.endsWith(".deleted");
            return (
              <li key={events.length - index}>
                <time class="quiet number">{timeOfDay(event.at_ms)}</time>{" "}
                <span class="mono">{event.kind}</span>{" "}
                {gone ? (
                  name
                ) : (
                  <Link href={snapshot ? addressOf({ page: "snapshots" }) : vmAddress(event.id)}>{name}</Link>
                )}
                {event.reason && <span class="quiet"> ({event.reason})</span>}
              </li>
            );
          })}
        </ol>
      )}
    </section>
  );
}
