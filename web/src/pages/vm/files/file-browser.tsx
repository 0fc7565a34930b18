import { useState } from "preact/hooks";
import type { FileInfo } from "../../../api/types";
import { addressOf } from "../../../lib/route";
import { crumbs, join, parent, resolve } from "../../../lib/paths";
import { useAction } from "../../../state/action";
import { go, query } from "../../../state/location";
import { useResource } from "../../../state/resource";
import { Problem } from "../../../ui/problem";
import { ResourceView } from "../../../ui/resource-view";
import { leadsToFolder, listFolder } from "./calls";
import { DropZone } from "./drop-zone";
import { FileDialog, type FileQuestion } from "./file-dialogs";
import { FileTable } from "./file-table";
import { FileView } from "./file-view";
import { PathBar } from "./path-bar";
import { UploadList } from "./upload-list";
import { useUploads } from "./uploads";

/** More entries than these are not shown; the API lists no more at once. */
const MOST_ENTRIES = 10_000;

/** A folder's own path, looked through where it is a link: without the slash the link itself would be shown. */
function inside(folder: string): string {
  return folder.endsWith("/") ? folder : `${folder}/`;
}

/** What is shown, as the address has it: a folder (`?path=/root/`), or a file in its folder (`?path=/root/a.md`). */
function usePlace(id: string) {
  const path = query.value.get("path") ?? "/root/";
  const isFolder = path.endsWith("/");
  const show = (path: string) => {
    go(`${addressOf({ page: "vm", id, tab: "files" })}?path=${encodeURIComponent(path)}`);
  };
  return {
    folder: isFolder ? resolve("/", path) : parent(resolve("/", path)),
    viewed: isFolder ? null : resolve("/", path),
    setFolder: (folder: string) => {
      show(inside(folder));
    },
    setViewed: show,
  };
}

/** Looks through a VM's folders. */
export function FileBrowser({ id }: { id: string }) {
  const { folder, viewed, setFolder, setViewed } = usePlace(id);
  const [question, setQuestion] = useState<FileQuestion | null>(null);
  const listing = useResource((signal) => listFolder(id, inside(folder), MOST_ENTRIES, signal), [id, folder]);
  const uploads = useUploads(id, listing.reload);
  const following = useAction();

  const open = (file: FileInfo) => {
    const path = join(folder, file.name);
    if (file.kind === "directory") setFolder(path);
    else if (file.kind === "file") setViewed(path);
    else {
      following.run(async (signal) => {
        if (await leadsToFolder(id, path, signal)) setFolder(path);
        else setViewed(path);
      });
    }
  };
  const addTo = (files: readonly File[]) => {
    uploads.add(folder, files);
  };
  const entries = listing.data?.entries ?? [];

  return (
    <DropZone onFiles={addTo}>
      <PathBar
        folders={crumbs(folder)}
        onGo={(typed) => {
          setFolder(resolve(folder, typed));
        }}
        onUpload={addTo}
        onMakeFolder={() => {
          setQuestion({ kind: "folder", folder });
        }}
        onReload={listing.reload}
      />
      <Problem error={following.error} />
      <UploadList uploads={uploads} />
      <div class="table">
        <ResourceView of={listing}>
          {(data) =>
            entries.length > 0 ? (
              <>
                <FileTable id={id} folder={folder} entries={entries} onOpen={open} onAsk={setQuestion} />
                {data.more && <p class="more quiet">Only the first {MOST_ENTRIES} entries are shown.</p>}
              </>
            ) : (
              <p class="more quiet">The folder is empty. Drop files here to upload them.</p>
            )
          }
        </ResourceView>
      </div>
      {question && (
        <FileDialog
          id={id}
          question={question}
          onDone={listing.reload}
          onClose={() => {
            setQuestion(null);
          }}
        />
      )}
      {viewed && (
        <FileView
          id={id}
          path={viewed}
          onClose={() => {
            setFolder(folder);
          }}
        />
      )}
    </DropZone>
  );
}
