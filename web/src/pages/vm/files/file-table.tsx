import type { FileInfo } from "../../../api/types";
import { bytes, moment } from "../../../lib/format";
import { join } from "../../../lib/paths";
import { Menu } from "../../../ui/menu";
import { archiveAddress, contentAddress } from "./calls";
import type { FileQuestion } from "./file-dialogs";

interface Props {
  id: string;
  folder: string;
  entries: readonly FileInfo[];
  onOpen: (file: FileInfo) => void;
  onAsk: (question: FileQuestion) => void;
}

/** Folders first, then by name, as people look for them. */
export function inOrder(entries: readonly FileInfo[]): FileInfo[] {
  const rank = (file: FileInfo) => (file.kind === "directory" ? 0 : 1);
  return [...entries].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

/** The entries of a folder. */
export function FileTable({ id, folder, entries, onOpen, onAsk }: Props) {
  return (
    <table>
      <thead>
        <tr>
          <th>Name</th>
          <th class="end">Size</th>
          <th class="wide-only">Mode</th>
          <th class="wide-only">Owner</th>
          <th class="wide-only">Changed</th>
          <th>
            <span class="hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {inOrder(entries).map((file) => {
          const path = join(folder, file.name);
          // What is not UTF-8 can't be named by a text; `thaw vm exec` can.
          const nameable = !file.name_base64;
          const openable = nameable && ["directory", "symlink", "file"].includes(file.kind);
          return (
            <tr key={file.name_base64 ?? file.name}>
              <th scope="row">
                {openable ? (
                  <button
                    type="button"
                    class="link"
                    onClick={() => {
                      onOpen(file);
                    }}
                  >
                    {file.name}
                  </button>
                ) : (
                  <span title={nameable ? file.kind : "its name is not UTF-8"}>{file.name}</span>
                )}
                {file.kind === "directory" && <span class="quiet">/</span>}
                {file.target && <span class="quiet"> → {file.target}</span>}
              </th>
              <td class="end number">{file.kind === "file" ? bytes(file.size_bytes) : ""}</td>
              <td class="wide-only mono">{file.mode}</td>
              <td class="wide-only mono">
                {file.uid}:{file.gid}
              </td>
              <td class="wide-only nowrap">{moment(file.modified_ms)}</td>
              <td class="end">
                {nameable && file.kind === "file" && (
                  <a
                    class="button"
                    href={contentAddress(id, path)}
                    download={file.name}
                    aria-label={`Download ${file.name}`}
                  >
                    ↓
                  </a>
                )}
                {nameable && file.kind === "directory" && (
                  <a
                    class="button"
                    href={archiveAddress(id, path)}
                    download={`${file.name}.tar`}
                    aria-label={`Download ${file.name} as tar`}
                    title="as tar"
                  >
                    ↓
                  </a>
                )}
                {nameable && (
                  <Menu
                    label={`More for ${file.name}`}
                    items={[
                      {
                        text: "Move or rename…",
                        onPick: () => {
                          onAsk({ kind: "move", path });
                        },
                      },
                      {
                        text: "Remove…",
                        danger: true,
                        onPick: () => {
                          onAsk({ kind: "remove", path, file });
                        },
                      },
                    ]}
                  />
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
