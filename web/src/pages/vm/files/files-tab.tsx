import { useState } from "preact/hooks";
import type { VmInfo } from "../../../api/types";
import { Asleep, isAwake } from "../asleep";
import { FileBrowser } from "./file-browser";

/** A VM's files. */
export function FilesTab({ vm }: { vm: VmInfo }) {
  const [wake, setWake] = useState(false);
  if (isAwake(vm) || (wake && vm.paused_by === "idle")) return <FileBrowser key={vm.id} id={vm.id} />;
  return (
    <Asleep
      vm={vm}
      what="its files"
      onWake={() => {
        setWake(true);
      }}
    />
  );
}
