import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

interface Props {
  onFiles: (files: readonly File[]) => void;
  children: ComponentChildren;
}

/** Takes files that are dropped on it. Folders are not taken: a browser gives no more than their names. */
export function DropZone({ onFiles, children }: Props) {
  const [over, setOver] = useState(false);
  const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  return (
    <div
      class={over ? "drop over" : "drop"}
      onDragOver={(event) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (event.target === event.currentTarget) setOver(false);
      }}
      onDrop={(event) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        setOver(false);
        const items = [...(event.dataTransfer?.items ?? [])];
        onFiles(
          items
            .filter((item) => !item.webkitGetAsEntry()?.isDirectory)
            .flatMap((item) => item.getAsFile() ?? []),
        );
      }}
    >
      {children}
    </div>
  );
}
