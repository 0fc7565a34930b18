import { useState } from "preact/hooks";
import { address } from "../../../api/client";
import { useAction } from "../../../state/action";
import { useProgram } from "../../../state/program";
import { Problem } from "../../../ui/problem";
import { ProgramOutput } from "../../../ui/program-output";
import { startInBackground } from "./background";

/** Runs one command and shows its output as it comes, or starts it in the background. */
export function CommandPanel({ id }: { id: string }) {
  const [command, setCommand] = useState("");
  const program = useProgram(address("post", "/v1/vms/{id}/exec", { path: { id } }));
  const background = useAction();
  const missing = command.trim() === "";
  return (
    <section class="card" aria-label="Run a command">
      <h2>Run a command</h2>
      <form
        class="bar"
        onSubmit={(event) => {
          event.preventDefault();
          if (!missing) program.start({ command });
        }}
      >
        <input
          class="grow mono"
          aria-label="Command"
          placeholder="uname -a"
          autocomplete="off"
          spellcheck={false}
          value={command}
          onInput={(event) => {
            setCommand(event.currentTarget.value);
          }}
        />
        {/* The keys keep them two elements: one that ends must not become one that submits under a click. */}
        {program.busy ? (
          <button key="end" type="button" class="danger" onClick={program.stop}>
            End it
          </button>
        ) : (
          <button key="run" type="submit" class="primary" disabled={missing}>
            Run
          </button>
        )}
        <button
          type="button"
          disabled={missing || background.busy}
          onClick={() => {
            background.run(async (signal) => {
              await startInBackground(id, command, signal);
            });
          }}
        >
          Start in the background
        </button>
      </form>
      <Problem error={background.error} />
      {(program.busy || program.exit !== null || program.error !== null) && (
        <ProgramOutput program={program} />
      )}
    </section>
  );
}
