import { useId, useState } from "preact/hooks";
import { call } from "../../api/client";
import { useProgram } from "../../state/program";
import { useResource } from "../../state/resource";
import { ProgramOutput } from "../../ui/program-output";
import { Timings } from "../../ui/timings";
import { playgroundRequest, type Mode } from "./playground-request";

const FIRST: Record<Mode, string> = {
  code: "import platform\nprint(platform.node(), 6 * 7)",
  command: "uname -a; python3 --version",
};
const MODES: readonly [Mode, string][] = [
  ["code", "Python code"],
  ["command", "Shell command"],
];

async function imageNames(signal: AbortSignal): Promise<string[]> {
  const { images } = await call("get", "/v1/images", { signal });
  return images.flatMap(({ names }) => names);
}

/** Runs code or a command in a fresh VM, which is gone afterwards, and shows where the time went. */
export function Playground() {
  const list = useId();
  const [mode, setMode] = useState<Mode>("code");
  const [texts, setTexts] = useState(FIRST);
  const [image, setImage] = useState("python");
  const program = useProgram("/v1/exec");
  const images = useResource(imageNames, []);
  const { exit, busy } = program;
  const run = () => {
    program.start(playgroundRequest(image, mode, texts[mode]));
  };
  return (
    <section class="card playground" aria-label="Playground">
      <h2>Playground: a fresh VM for every run</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <div class="bar">
          <div class="segments" role="group" aria-label="What to run">
            {MODES.map(([each, name]) => (
              <button
                key={each}
                type="button"
                aria-pressed={mode === each}
                onClick={() => {
                  setMode(each);
                }}
              >
                {name}
              </button>
            ))}
          </div>
          <label for={`${list}-image`}>in</label>
          <input
            id={`${list}-image`}
            aria-label="Image"
            list={list}
            value={image}
            required
            onInput={(event) => {
              setImage(event.currentTarget.value);
            }}
          />
          <datalist id={list}>
            {images.data?.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
          {/* The keys keep them two elements: one that ends must not become one that submits under a click. */}
          {busy ? (
            <button key="end" type="button" class="danger" onClick={program.stop}>
              End it
            </button>
          ) : (
            <button key="run" type="submit" class="primary" title="Ctrl-Enter">
              Run
            </button>
          )}
        </div>
        <textarea
          aria-label={mode === "code" ? "Code" : "Command"}
          rows={6}
          spellcheck={false}
          value={texts[mode]}
          onInput={(event) => {
            setTexts({ ...texts, [mode]: event.currentTarget.value });
          }}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || busy) return;
            event.preventDefault();
            run();
          }}
        />
      </form>
      <ProgramOutput program={program} />
      <div class="playground-end">
        {exit && (
          <>
            <p>
              The VM was <span class={`badge ${exit.start}`}>{exit.start}</span>{" "}
              <span class="quiet mono">{exit.vm_id}</span>
            </p>
            <Timings timings={exit.timings_us} />
          </>
        )}
      </div>
    </section>
  );
}
