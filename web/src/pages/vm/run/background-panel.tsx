import { useState } from "preact/hooks";
import { call } from "../../../api/client";
import type { BackgroundExec } from "../../../api/types";
import { useAction } from "../../../state/action";
import { useFollowed } from "../../../state/followed";
import { tellProblem } from "../../../state/notices";
import { useResource } from "../../../state/resource";
import { bytes, moment } from "../../../lib/format";
import { LogView } from "../../../ui/log-view";
import { Menu } from "../../../ui/menu";
import { Problem } from "../../../ui/problem";
import { howItEnded } from "../../../ui/program-output";
import { ResourceView } from "../../../ui/resource-view";
import { backgroundChanges, followBackground, forgetBackground, signalBackground } from "./background";

const SIGNALS = [
  ["SIGTERM", 15],
  ["SIGINT", 2],
  ["SIGHUP", 1],
  ["SIGKILL", 9],
] as const;

function OutputOf({ id, exec }: { id: string; exec: number }) {
  const log = useFollowed((signal) => followBackground(id, exec, signal), [id, exec]);
  return (
    <>
      <LogView text={log.text} label={`Output of program ${exec}`} empty="It has written nothing yet." />
      <Problem error={log.error} />
    </>
  );
}

interface RowProps {
  id: string;
  exec: BackgroundExec;
  shown: boolean;
  onShow: () => void;
}

function Row({ id, exec, shown, onShow }: RowProps) {
  const action = useAction();
  const forget = () => {
    action.run((signal) => forgetBackground(id, exec.id, signal).catch(tellProblem));
  };
  const signals = SIGNALS.map(([name, number]) => ({
    text: `Send ${name}`,
    onPick: () => {
      signalBackground(id, exec.id, number).catch(tellProblem);
    },
  }));
  return (
    <tr>
      <td class="number">{exec.id}</td>
      <th scope="row" class="mono">
        {exec.command}
      </th>
      <td>
        <span class={`badge ${exec.running ? "running" : exec.exit_code === 0 ? "" : "bad"}`}>
          {exec.running ? "running" : howItEnded(exec)}
        </span>
      </td>
      <td class="wide-only nowrap">{moment(exec.started_at_ms)}</td>
      <td class="wide-only number">{bytes(exec.stdout.written_bytes + exec.stderr.written_bytes)}</td>
      <td class="end">
        <button type="button" aria-pressed={shown} onClick={onShow}>
          Output
        </button>
        <Menu
          label={`More for program ${exec.id}`}
          items={[
            ...(exec.running ? signals : []),
            { text: exec.running ? "Kill and forget" : "Forget", danger: true, onPick: forget },
          ]}
        />
      </td>
    </tr>
  );
}

/** Programs in the background of a VM. They run on when this page is left. */
export function BackgroundPanel({ id }: { id: string }) {
  const [shown, setShown] = useState<number | null>(null);
  const list = useResource(
    (signal) => call("get", "/v1/vms/{id}/execs", { path: { id }, signal }),
    [id],
    backgroundChanges,
  );
  return (
    <section class="card" aria-label="In the background">
      <h2>In the background</h2>
      <ResourceView of={list}>
        {({ execs }) =>
          execs.length === 0 ? (
            <p class="quiet">
              Nothing. What is started there runs on when this page is left, and in forks of the VM. From a
              terminal: <code>thaw vm exec --background {id} -- PROGRAM</code>
            </p>
          ) : (
            <div class="table">
              <table>
                <tbody>
                  {execs.map((exec) => (
                    <Row
                      key={exec.id}
                      id={id}
                      exec={exec}
                      shown={shown === exec.id}
                      onShow={() => {
                        setShown(shown === exec.id ? null : exec.id);
                      }}
                    />
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </ResourceView>
      {shown !== null && list.data?.execs.some((exec) => exec.id === shown) && (
        <OutputOf key={shown} id={id} exec={shown} />
      )}
    </section>
  );
}
