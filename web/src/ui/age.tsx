import { moment, span } from "../lib/format";

interface Props {
  /** Milliseconds since 1970-01-01 UTC. */
  at: number;
}

/** How long ago something was, as of this render; the exact time is in its title. */
export function Age({ at }: Props) {
  return (
    <time dateTime={new Date(at).toISOString()} title={moment(at)}>
      {span((Date.now() - at) / 1000)}
    </time>
  );
}

/** How long it is until something happens, as of this render. */
export function Until({ at }: Props) {
  return (
    <time dateTime={new Date(at).toISOString()} title={moment(at)}>
      in {span((at - Date.now()) / 1000)}
    </time>
  );
}
