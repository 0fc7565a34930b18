import { address } from "../../api/client";
import { followText } from "../../api/stream";
import { useFollowed } from "../../state/followed";
import { LogView } from "../../ui/log-view";
import { Problem } from "../../ui/problem";

/** What a VM says on its console, as it says it. */
export function ConsoleTab({ id }: { id: string }) {
  const log = useFollowed(
    (signal) =>
      followText(address("get", "/v1/vms/{id}/logs", { path: { id }, query: { follow: true } }), signal),
    [id],
  );
  return (
    <>
      <LogView text={log.text} label="Console" empty="It has said nothing yet." />
      <div class="bar">
        <span class="quiet" role="status">
          {log.ended ? "That was the end of it." : "Following what comes next."}
        </span>
        {log.ended && (
          <button type="button" onClick={log.again}>
            Read again
          </button>
        )}
      </div>
      <Problem error={log.error} />
    </>
  );
}
