import { useState } from "preact/hooks";
import { address } from "../../api/client";
import { followEvents } from "../../api/stream";
import type { FunctionLog } from "../../api/types";
import { micros, moment } from "../../lib/format";
import { useFollowed } from "../../state/followed";
import { LogView } from "../../ui/log-view";
import { Problem } from "../../ui/problem";

/** One invocation's log as text, with a line before it that says which. */
export function logText(log: FunctionLog): string {
  const error = log.error ? ` ${log.error}` : "";
  const head = `-- ${moment(log.ended_at_ms)} ${log.request_id} version ${log.version} ${micros(log.duration_us)}${error}\n`;
  const text = log.text === "" || log.text.endsWith("\n") ? log.text : `${log.text}\n`;
  return head + text + (log.truncated ? "[more was written than is kept]\n" : "");
}

async function* follow(name: string, errors: boolean, signal: AbortSignal): AsyncGenerator<string> {
  const url = address("get", "/v1/functions/{name}/logs", { path: { name }, query: { errors } });
  for await (const { event, data } of followEvents(url, { signal })) {
    if (event === "log") yield logText(JSON.parse(data) as FunctionLog);
  }
}

/** A function's logs, those that are kept and those that come. */
export function LogsTab({ name }: { name: string }) {
  const [errors, setErrors] = useState(false);
  const log = useFollowed((signal) => follow(name, errors, signal), [name, errors]);
  return (
    <>
      <div class="bar">
        <label class="check">
          <input
            type="checkbox"
            checked={errors}
            onChange={(event) => {
              setErrors(event.currentTarget.checked);
            }}
          />
          Only of events that went wrong
        </label>
        <span class="quiet" role="status">
          {log.ended ? "No longer followed." : "Following what comes next."}
        </span>
        {log.ended && (
          <button type="button" onClick={log.again}>
            Follow again
          </button>
        )}
      </div>
      <LogView text={log.text} label="Logs" empty="No event was served since the daemon started." />
      <Problem error={log.error} />
    </>
  );
}
