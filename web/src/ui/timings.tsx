import type { TimingsUs } from "../api/types";
import { micros } from "../lib/format";

/** The stages of a request in the order in which they pass; together they are its total. */
const STAGES = [
  ["daemon", "the daemon's own part"],
  ["queue", "waiting for a place or a clone"],
  ["restore", "restoring a clone"],
  ["connect", "handing the request over"],
  ["resume", "letting the CPUs run"],
  ["exec", "the program"],
] as const satisfies readonly (readonly [keyof TimingsUs, string])[];

/** Where the time of a request went. */
export function Timings({ timings }: { timings: TimingsUs }) {
  const total = Math.max(1, timings.total);
  return (
    <figure class="timings" aria-label={`Timings: ${micros(timings.total)} in all`}>
      <div class="timings-bar" aria-hidden="true">
        {STAGES.map(([stage], index) => (
          <span
            key={stage}
            class={`stage-${index + 1}`}
            style={{ width: `${(timings[stage] / total) * 100}%` }}
          />
        ))}
      </div>
      <figcaption>
        <strong class="number">{micros(timings.total)}</strong>
        {STAGES.map(([stage, meaning], index) => (
          <span key={stage} title={meaning} class="number">
            <i class={`stage-${index + 1}`} aria-hidden="true" /> {stage} {micros(timings[stage])}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
