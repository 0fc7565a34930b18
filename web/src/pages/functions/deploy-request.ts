/** A filled form as a function to deploy. */
import type { DeployFunctionRequest, FunctionKind } from "../../api/types";
import { parseCount, parseEnv, parseWords } from "../../lib/pairs";

/** What the form holds, by field. */
export type Filled = (field: string) => string;

export const KINDS: readonly FunctionKind[] = ["python", "node", "command", "lambda", "http"];

/** What a kind takes besides its code. */
export const TAKES: Record<FunctionKind, { handler: boolean; command: boolean; port: boolean }> = {
  python: { handler: true, command: false, port: false },
  node: { handler: true, command: false, port: false },
  command: { handler: false, command: true, port: false },
  lambda: { handler: true, command: true, port: false },
  http: { handler: false, command: true, port: true },
};

/** The file that code written in the browser becomes, and something to begin with. */
export const STARTS: Record<FunctionKind, { file: string; code: string }> = {
  python: {
    file: "app.py",
    code: 'def handle(event, context):\n    print("event", event)\n    return {"got": event}\n',
  },
  node: {
    file: "app.js",
    code: 'exports.handle = async (event) => {\n  console.log("event", event);\n  return { got: event };\n};\n',
  },
  command: { file: "run.sh", code: "#!/bin/sh\necho working >&2\ncat\n" },
  lambda: { file: "app.py", code: 'def handle(event, context):\n    return {"got": event}\n' },
  http: {
    file: "server.py",
    code:
      "import http.server, os\n\n" +
      'http.server.test(http.server.SimpleHTTPRequestHandler, port=int(os.environ["PORT"]), bind="127.0.0.1")\n',
  },
};

const COUNTS = ["memory_mib", "vcpus", "timeout_ms", "min_warm", "max_warm", "concurrency", "reuse"] as const;

/**
 * @throws An error with a sentence to show, where something can't be what is meant.
 */
export function deployRequest(kind: FunctionKind, filled: Filled): DeployFunctionRequest {
  const takes = TAKES[kind];
  const request: DeployFunctionRequest = {
    name: filled("name").trim(),
    image: filled("origin").trim(),
    kind,
  };
  const handler = filled("handler").trim();
  const command = parseWords(filled("command"));
  const port = parseCount(filled("port"), "the port");
  const env = parseEnv(filled("env"));
  if (takes.handler && handler !== "") request.handler = handler;
  if (takes.command && command.length > 0) request.command = command;
  if (takes.port && port !== undefined) request.port = port;
  if (Object.keys(env).length > 0) request.env = env;
  for (const field of COUNTS) {
    const value = parseCount(filled(field), field);
    if (value !== undefined) request[field] = value;
  }
  return request;
}
