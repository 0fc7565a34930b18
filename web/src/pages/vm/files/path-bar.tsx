import { useRef, useState } from "preact/hooks";

interface Props {
  folders: readonly { name: string; path: string }[];
  onGo: (path: string) => void;
  onUpload: (files: readonly File[]) => void;
  onMakeFolder: () => void;
  onReload: () => void;
}

/** Where in the VM's folders one is, the way elsewhere, and what can be done here. */
export function PathBar({ folders, onGo, onUpload, onMakeFolder, onReload }: Props) {
  const picker = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState("");
  const here = folders.at(-1)?.path ?? "/";
  return (
    <div class="bar">
      <nav class="crumbs grow" aria-label="Folders">
        {folders.map(({ name, path }) => (
          <button
            key={path}
            type="button"
            class="link mono"
            {...(path === here ? { "aria-current": "location" as const } : {})}
            onClick={() => {
              onGo(path);
            }}
          >
            {name}
          </button>
        ))}
      </nav>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (typed !== "") onGo(typed);
          setTyped("");
        }}
      >
        <input
          aria-label="Go to folder"
          placeholder="Go to…"
          value={typed}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
          }}
        />
      </form>
      <button type="button" onClick={onReload}>
        Reload
      </button>
      <button type="button" onClick={onMakeFolder}>
        New folder…
      </button>
      <button type="button" class="primary" onClick={() => picker.current?.click()}>
        Upload…
      </button>
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        aria-label="Files to upload"
        onChange={(event) => {
          onUpload([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </div>
  );
}
