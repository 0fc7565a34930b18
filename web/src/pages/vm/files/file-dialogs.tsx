import type { FileInfo } from "../../../api/types";
import { parent, resolve } from "../../../lib/paths";
import { TextField } from "../../../ui/field";
import { FormDialog, textOf } from "../../../ui/form-dialog";
import { makeFolder, moveFile, removeFile } from "./calls";

/** What is being asked of somebody about a file. */
export type FileQuestion =
  | { kind: "folder"; folder: string }
  | { kind: "move"; path: string }
  | { kind: "remove"; path: string; file: FileInfo };

interface Props {
  id: string;
  question: FileQuestion;
  onDone: () => void;
  onClose: () => void;
}

/** The dialog of something that is done with a file. */
export function FileDialog({ id, question, onDone, onClose }: Props) {
  switch (question.kind) {
    case "folder":
      return (
        <FormDialog
          title={`A new folder in ${question.folder}`}
          submit="Make it"
          onClose={onClose}
          onSubmit={async (form, signal) => {
            await makeFolder(id, resolve(question.folder, textOf(form, "name")), signal);
            onDone();
          }}
        >
          <TextField label="Name" name="name" required autofocus />
        </FormDialog>
      );
    case "move":
      return (
        <FormDialog
          title="Move or rename"
          submit="Move"
          onClose={onClose}
          onSubmit={async (form, signal) => {
            const to = resolve(parent(question.path), textOf(form, "to"));
            await moveFile(id, question.path, to, form.has("overwrite"), signal);
            onDone();
          }}
        >
          <TextField label="New path" name="to" required autofocus defaultValue={question.path} />
          <label class="check">
            <input type="checkbox" name="overwrite" /> Replace what is there
          </label>
        </FormDialog>
      );
    case "remove": {
      const folder = question.file.kind === "directory";
      return (
        <FormDialog
          title={`Remove ${question.path}?`}
          submit="Remove"
          danger
          onClose={onClose}
          onSubmit={async (_, signal) => {
            await removeFile(id, question.path, folder, signal);
            onDone();
          }}
        >
          <p>{folder ? "The folder is lost with everything in it." : "It is lost for good."}</p>
        </FormDialog>
      );
    }
  }
}
