import type { VmInfo } from "../../../api/types";
import { Asleep } from "../asleep";
import { useWanted } from "../use-wanted";
import { FileBrowser } from "./file-browser";

/** A VM's files. */
export function FilesTab({ vm }: { vm: VmInfo }) {
  const { wanted, usable, want } = useWanted(vm);
  if (wanted && usable) return <FileBrowser key={vm.id} id={vm.id} />;
  return <Asleep vm={vm} what="its files" onWake={want} />;
}
