/** Programs whose output is told as it comes. */
import { jsonInit } from "./client";
import { followEvents } from "./stream";
import type { ExecExit, ExecRequest, OutputChunk, VmExecRequest } from "./types";

export type OutputStream = "stdout" | "stderr";
export type OnOutput = (stream: OutputStream, text: string) => void;

/**
 * Runs a program and gives back how it ended.
 *
 * @throws {ApiError} When it can't be run.
 */
export async function exec(
  url: string,
  request: ExecRequest | VmExecRequest,
  onOutput: OnOutput,
  signal: AbortSignal,
): Promise<ExecExit> {
  for await (const { event, data } of followEvents(url, jsonInit("post", request, signal))) {
    if (event === "stdout" || event === "stderr") onOutput(event, (JSON.parse(data) as OutputChunk).data);
    if (event === "exit") return JSON.parse(data) as ExecExit;
  }
  throw new Error("the server broke off before the program had ended");
}
