import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { FunctionEvent, FunctionEventState } from "../../api/types";
import { bytes, moment } from "../../lib/format";
import { useAction } from "../../state/action";
import { tellProblem } from "../../state/notices";
import { useResource } from "../../state/resource";
import { useSampling } from "../../state/sampled";
import { ResourceView } from "../../ui/resource-view";
import { EventDialog } from "./event-dialog";

const STATES: readonly FunctionEventState[] = ["queued", "dead", "done"];
/** The API tells no events of these events. */
const SAMPLE_MS = 3000;

interface RowProps {
  name: string;
  event: FunctionEvent;
  onChanged: () => void;
  onShow: () => void;
}

function Row({ name, event, onChanged, onShow }: RowProps) {
  const action = useAction();
  const path = { name, id: event.id };
  const retry = () => {
    action.run(async () => {
      await call("post", "/v1/functions/{name}/events/{id}/retry", { path }).then(onChanged, tellProblem);
    });
  };
  const forget = () => {
    action.run(async () => {
      await call("delete", "/v1/functions/{name}/events/{id}", { path }).then(onChanged, tellProblem);
    });
  };
  return (
    <tr>
      <th scope="row">
        <button type="button" class="link mono" onClick={onShow}>
          {event.id}
        </button>
        {event.error && <div class="quiet">{event.error}</div>}
      </th>
      <td>
        <span class={`badge ${event.state}`}>{event.state}</span>
      </td>
      <td class="wide-only nowrap">{moment(event.created_at_ms)}</td>
      <td class="end number wide-only">{event.attempts}</td>
      <td class="end number wide-only">{bytes(event.event_bytes)}</td>
      <td class="end">
        {event.state === "dead" && (
          <button type="button" disabled={action.busy} onClick={retry}>
            Retry
          </button>
        )}{" "}
        <button type="button" disabled={action.busy} aria-label={`Forget ${event.id}`} onClick={forget}>
          Forget
        </button>
      </td>
    </tr>
  );
}

/** Events that are served later, and what became of those that were. */
export function EventsTab({ name }: { name: string }) {
  const [state, setState] = useState<FunctionEventState>("queued");
  const [shown, setShown] = useState<string | null>(null);
  const list = useResource(
    (signal) => call("get", "/v1/functions/{name}/events", { path: { name }, query: { state }, signal }),
    [name, state],
    useSampling(SAMPLE_MS),
  );
  return (
    <>
      <div class="bar">
        <div class="segments" role="group" aria-label="State of events">
          {STATES.map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={state === each}
              onClick={() => {
                setState(each);
              }}
            >
              {each}
            </button>
          ))}
        </div>
      </div>
      <ResourceView of={list}>
        {({ events }) =>
          events.length === 0 ? (
            <p class="empty">No event is {state}.</p>
          ) : (
            <div class="table">
              <table>
                <tbody>
                  {events.map((event) => (
                    <Row
                      key={event.id}
                      name={name}
                      event={event}
                      onChanged={list.reload}
                      onShow={() => {
                        setShown(event.id);
                      }}
                    />
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </ResourceView>
      {shown !== null && (
        <EventDialog
          name={name}
          id={shown}
          onClose={() => {
            setShown(null);
          }}
        />
      )}
    </>
  );
}
