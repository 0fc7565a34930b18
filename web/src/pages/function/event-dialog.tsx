import { call } from "../../api/client";
import { decodeText } from "../../lib/base64";
import { moment } from "../../lib/format";
import { useResource } from "../../state/resource";
import { Dialog } from "../../ui/dialog";
import { Fact } from "../../ui/fact";
import { ResourceView } from "../../ui/resource-view";
import { pretty } from "../functions/function-calls";

interface Props {
  name: string;
  id: string;
  onClose: () => void;
}

/** One event: what it holds, and what came of it. */
export function EventDialog({ name, id, onClose }: Props) {
  const event = useResource(
    (signal) => call("get", "/v1/functions/{name}/events/{id}", { path: { name, id }, signal }),
    [name, id],
  );
  return (
    <Dialog title={`Event ${id}`} wide onClose={onClose}>
      <ResourceView of={event}>
        {(data) => (
          <div class="stack-tight">
            <dl class="facts">
              <Fact name="State">
                <span class={`badge ${data.state}`}>{data.state}</span>
              </Fact>
              <Fact name="Came">{moment(data.created_at_ms)}</Fact>
              <Fact name="Due">{moment(data.due_at_ms)}</Fact>
              <Fact name="Attempts that went wrong">{data.attempts}</Fact>
              {data.qualifier && <Fact name="For">{data.qualifier}</Fact>}
            </dl>
            {data.error && <p class="problem">{data.error}</p>}
            <h3>Event</h3>
            <pre class="log short" tabIndex={0}>
              {pretty(decodeText(data.event_base64 ?? ""))}
            </pre>
            {data.result_base64 && (
              <>
                <h3>Result</h3>
                <pre class="log short" tabIndex={0}>
                  {pretty(decodeText(data.result_base64))}
                </pre>
              </>
            )}
          </div>
        )}
      </ResourceView>
    </Dialog>
  );
}
