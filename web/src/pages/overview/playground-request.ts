/** What the playground asks for. */
import type { ExecRequest } from "../../api/types";

export type Mode = "code" | "command";

/** A run of source code by the interpreter that waits in the template, or of a line by a shell. */
export function playgroundRequest(image: string, mode: Mode, text: string): ExecRequest {
  return mode === "code" ? { image, language: "python", code: text } : { image, command: text };
}
