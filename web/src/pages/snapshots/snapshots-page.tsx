import { useState } from "preact/hooks";
import { call } from "../../api/client";
import { count } from "../../lib/format";
import { snapshotChanges } from "../../state/live";
import { useResource } from "../../state/resource";
import { Empty } from "../../ui/empty";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { CreateVmDialog } from "../vms/create-dialog";
import { RemoveSnapshotDialog, RenameSnapshotDialog } from "./snapshot-dialogs";
import { SnapshotTable, type SnapshotQuestion } from "./snapshot-table";

const PAGE = 100;
/** The API lists no more at once. */
const MOST = 1000;

/** All snapshots. */
export function SnapshotsPage() {
  const [limit, setLimit] = useState(PAGE);
  const [question, setQuestion] = useState<SnapshotQuestion | null>(null);
  const list = useResource(
    (signal) => call("get", "/v1/snapshots", { query: { limit }, signal }),
    [limit],
    snapshotChanges,
  );
  const close = () => {
    setQuestion(null);
  };
  return (
    <Page title="Snapshots">
      <ResourceView of={list}>
        {({ snapshots, next_cursor: more }) =>
          snapshots.length === 0 ? (
            <Empty command="thaw vm snapshot VM NAME">
              There are no snapshots. Take one on a VM’s page, or from a terminal:
            </Empty>
          ) : (
            <>
              <SnapshotTable snapshots={snapshots} onAsk={setQuestion} />
              <p class="quiet">{count(snapshots.length, "snapshot")}</p>
              {more && limit < MOST && (
                <p class="more">
                  <button
                    type="button"
                    onClick={() => {
                      setLimit(Math.min(MOST, limit + PAGE));
                    }}
                  >
                    Show more
                  </button>
                </p>
              )}
            </>
          )
        }
      </ResourceView>
      {question?.kind === "restore" && (
        <CreateVmDialog from={{ origin: "snapshot", name: question.snapshot.name }} onClose={close} />
      )}
      {question?.kind === "rename" && <RenameSnapshotDialog snapshot={question.snapshot} onClose={close} />}
      {question?.kind === "remove" && <RemoveSnapshotDialog snapshot={question.snapshot} onClose={close} />}
    </Page>
  );
}
