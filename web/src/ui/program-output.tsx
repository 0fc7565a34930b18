import type { ExecExit } from "../api/types";
import type { Program } from "../state/program";
import { LogView } from "./log-view";
import { Problem } from "./problem";

/** How a program ended, in a few words. */
export function howItEnded(exit: Pick<ExecExit, "exit_code" | "signal" | "timed_out">): string {
  if (exit.timed_out) return "its time was up";
  if (typeof exit.signal === "number") return `signal ${exit.signal}`;
  return `exit code ${exit.exit_code ?? "unknown"}`;
}

/** What a program has written, and how it ended. */
export function ProgramOutput({ program }: { program: Program }) {
  const { output, exit, busy, error } = program;
  const cut = exit?.stdout_truncated === true || exit?.stderr_truncated === true;
  return (
    <div class="output">
      <LogView text={output.stdout} label="Standard output" empty={busy ? "Running…" : "No output."} />
      {output.stderr !== "" && <LogView text={output.stderr} label="Standard error" empty="" titled />}
      {exit && (
        <p role="status">
          <span class={exit.exit_code === 0 ? "badge good" : "badge bad"}>{howItEnded(exit)}</span>
          {cut && <span class="quiet"> More was written than is kept.</span>}
        </p>
      )}
      <Problem error={error} />
    </div>
  );
}
