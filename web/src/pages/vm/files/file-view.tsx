import { useState } from "preact/hooks";
import { baseName } from "../../../lib/paths";
import { bytes } from "../../../lib/format";
import { useResource } from "../../../state/resource";
import { Dialog } from "../../../ui/dialog";
import { Markdown } from "../../../ui/markdown";
import { ResourceView } from "../../../ui/resource-view";
import { contentAddress, readBeginning, SHOWN_BYTES, type Beginning } from "./calls";

interface Props {
  id: string;
  path: string;
  onClose: () => void;
}

function Text({ text, cut, markdown }: { text: string; cut: boolean; markdown: boolean }) {
  const [rendered, setRendered] = useState(markdown);
  return (
    <>
      {markdown && (
        <label class="check">
          <input
            type="checkbox"
            checked={rendered}
            onChange={(event) => {
              setRendered(event.currentTarget.checked);
            }}
          />
          Show as Markdown
        </label>
      )}
      {rendered ? (
        <div class="log markdown">
          <Markdown source={text} />
        </div>
      ) : (
        <pre class="log" tabIndex={0}>
          {text}
        </pre>
      )}
      {cut && <p class="quiet">Only the first {bytes(SHOWN_BYTES)} are shown.</p>}
    </>
  );
}

function Body({ beginning, path }: { beginning: Beginning; path: string }) {
  if (beginning.text === null) return <p class="loading">This is no text. It can be downloaded.</p>;
  return <Text text={beginning.text} cut={beginning.cut} markdown={/\.(md|markdown)$/i.test(path)} />;
}

/** The beginning of a file, as text. */
export function FileView({ id, path, onClose }: Props) {
  const beginning = useResource((signal) => readBeginning(id, path, signal), [id, path]);
  return (
    <Dialog title={path} wide onClose={onClose}>
      <ResourceView of={beginning}>{(data) => <Body beginning={data} path={path} />}</ResourceView>
      <footer>
        <a class="button" href={contentAddress(id, path)} download={baseName(path)}>
          Download
        </a>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </footer>
    </Dialog>
  );
}
