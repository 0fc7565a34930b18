import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { FunctionInfo, FunctionLog } from "../../api/types";
import { micros } from "../../lib/format";
import { addressOf } from "../../lib/route";
import { useAction } from "../../state/action";
import { tellDone } from "../../state/notices";
import { AreaField } from "../../ui/field";
import { LogView } from "../../ui/log-view";
import { Problem } from "../../ui/problem";
import { enqueue, functionChanged, invoke, type Invocation } from "../functions/function-calls";
import { QualifierField } from "./qualifier-field";

interface Outcome {
  invocation: Invocation;
  log: FunctionLog | null;
}

/** What the function wrote while it served an event. */
async function logOf(
  name: string,
  requestId: string | null,
  signal: AbortSignal,
): Promise<FunctionLog | null> {
  if (requestId === null) return null;
  const { logs } = await call("get", "/v1/functions/{name}/logs", {
    path: { name },
    query: { request_id: requestId },
    signal,
  });
  return logs.at(-1) ?? null;
}

function OutcomeView({ outcome: { invocation, log } }: { outcome: Outcome }) {
  return (
    <div class="stack-tight" aria-label="Outcome" role="group">
      <p role="status">
        <span class={invocation.wrong === null ? "badge good" : "badge bad"}>
          {invocation.wrong ?? "returned"}
        </span>{" "}
        after {micros(invocation.tookMs * 1000)}
        {log && `, of it the function ${micros(log.duration_us)} in version ${log.version}`}{" "}
        <code class="quiet">{invocation.requestId}</code>
      </p>
      <LogView text={invocation.text} label="Result" empty="It returned nothing." titled />
      <LogView text={log?.text ?? ""} label="Log" empty="It wrote nothing." titled />
    </div>
  );
}

/** Gives events to a function by hand. */
export function InvokeTab({ of }: { of: FunctionInfo }) {
  const { name } = of;
  const [event, setEvent] = useState('{"name": "Ada"}');
  const [qualifier, setQualifier] = useState<string | null>(null);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const action = useAction();
  if (of.newest.kind === "http") {
    return (
      <div class="card">
        <p>It serves requests, not events.</p>
        <a
          class="button"
          href={`/v1/functions/${encodeURIComponent(name)}/http/`}
          target="_blank"
          rel="noopener noreferrer"
        >
          Open it in a new tab
        </a>
      </div>
    );
  }
  const send = () => {
    action.run(async (signal) => {
      setOutcome(null);
      const invocation = await invoke(name, event, qualifier, signal);
      setOutcome({ invocation, log: await logOf(name, invocation.requestId, signal) });
      functionChanged();
    });
  };
  const queue = () => {
    action.run(async (signal) => {
      const id = await enqueue(name, event, qualifier, signal);
      tellDone(`The event ${id} is queued:`, {
        href: addressOf({ page: "function", name, tab: "events" }),
        text: "all events",
      });
    });
  };
  return (
    <div class="card stack-tight">
      <AreaField label="Event (JSON)" rows={5} value={event} onInput={setEvent} />
      <div class="bar">
        <QualifierField of={of} value={qualifier} onChange={setQualifier} />
        {action.busy ? (
          <button type="button" class="danger" onClick={action.cancel}>
            End it
          </button>
        ) : (
          <button type="button" class="primary" onClick={send}>
            Invoke
          </button>
        )}
        <button type="button" disabled={action.busy} onClick={queue}>
          Queue it
        </button>
      </div>
      <Problem error={action.error} />
      {outcome && <OutcomeView outcome={outcome} />}
    </div>
  );
}
