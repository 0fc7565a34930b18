import { useState } from "preact/hooks";
import type { VmInfo } from "../../api/types";
import { useAction } from "../../state/action";
import { tellProblem } from "../../state/notices";
import { Menu, type MenuItem } from "../../ui/menu";
import { turnVm, vmTitle, type Turn } from "./vm-calls";
import { VmDialog, type VmDialogKind } from "./vm-dialogs";

const NEXT: Record<VmInfo["state"], { turn: Turn; text: string }> = {
  running: { turn: "pause", text: "Pause" },
  paused: { turn: "resume", text: "Resume" },
  stopped: { turn: "start", text: "Start" },
};

interface Props {
  vm: VmInfo;
  /** Whether there is room for more than one button. */
  roomy?: boolean;
}

/** What can be done with a VM as a whole in the state that it is in. */
export function VmControls({ vm, roomy }: Props) {
  const [open, setOpen] = useState<VmDialogKind | null>(null);
  const action = useAction();
  const alive = vm.state !== "stopped";
  const item = (kind: VmDialogKind, text: string, danger = false): MenuItem => ({
    text,
    danger,
    onPick: () => {
      setOpen(kind);
    },
  });
  const copies = alive ? [item("fork", "Fork…"), item("snapshot", "Snapshot…")] : [];
  const rest = [
    item("rename", "Rename…"),
    item("change", "Times and metadata…"),
    ...(alive ? [item("stop", "Stop…", true)] : []),
    item("remove", "Remove…", true),
  ];
  const { turn, text } = NEXT[vm.state];
  return (
    <>
      <button
        type="button"
        disabled={action.busy}
        onClick={() => {
          action.run(() => turnVm(vm.id, turn).catch(tellProblem));
        }}
      >
        {text}
      </button>
      {roomy &&
        copies.map((copy) => (
          <button key={copy.text} type="button" onClick={copy.onPick}>
            {copy.text}
          </button>
        ))}
      <Menu label={`More for ${vmTitle(vm)}`} items={roomy ? rest : [...copies, ...rest]} />
      {open && (
        <VmDialog
          kind={open}
          vm={vm}
          onClose={() => {
            setOpen(null);
          }}
        />
      )}
    </>
  );
}
