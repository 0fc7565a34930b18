/** A program that runs, what it has written so far, and how it ended. */
import { useCallback, useRef, useState } from "preact/hooks";
import { exec, type OutputStream } from "../api/exec";
import type { ExecExit, ExecRequest, VmExecRequest } from "../api/types";
import { appendText } from "../lib/bounded";
import { useAction } from "./action";

/** Of more output the beginning is forgotten. */
const KEPT_CHARACTERS = 256 * 1024;

export interface Output {
  stdout: string;
  stderr: string;
}

export interface Program {
  busy: boolean;
  output: Output;
  exit: ExecExit | null;
  error: unknown;
  start: (request: ExecRequest | VmExecRequest) => void;
  /** Hangs up, which ends the program. */
  stop: () => void;
}

const NOTHING: Output = { stdout: "", stderr: "" };

/** Runs programs through one route, one at a time. */
export function useProgram(url: string): Program {
  const { busy, error, run, cancel } = useAction();
  const [output, setOutput] = useState<Output>(NOTHING);
  const [exit, setExit] = useState<ExecExit | null>(null);
  const pending = useRef<Output>(NOTHING);
  const frame = useRef(0);

  const start = useCallback(
    (request: ExecRequest | VmExecRequest) => {
      run(async (signal) => {
        pending.current = NOTHING;
        setOutput(NOTHING);
        setExit(null);
        // A program may write more often than a screen is drawn.
        const show = () => {
          frame.current = 0;
          setOutput(pending.current);
        };
        const onOutput = (stream: OutputStream, text: string) => {
          const old = pending.current;
          pending.current = { ...old, [stream]: appendText(old[stream], text, KEPT_CHARACTERS) };
          if (frame.current === 0) frame.current = requestAnimationFrame(show);
        };
        const end = await exec(url, request, onOutput, signal);
        setOutput(pending.current);
        setExit(end);
      });
    },
    [url, run],
  );
  return { busy, output, exit, error, start, stop: cancel };
}
