/** A filled form as a request for a VM. */
import type { CreateVmRequest } from "../../api/types";
import { parseCount, parseEnv, parseObject } from "../../lib/pairs";

export type Origin = "image" | "template" | "snapshot";

/** What the form holds, by field. */
export type Filled = (field: string) => string;

/**
 * @throws An error with a sentence to show, where something can't be what is meant.
 */
export function createRequest(origin: Origin, filled: Filled): CreateVmRequest {
  const request: CreateVmRequest = { [origin]: filled("origin") };
  const number = (field: string, what: string) => parseCount(filled(field), what);
  const name = filled("name").trim();
  const env = parseEnv(filled("env"));
  const metadata = parseObject(filled("metadata"), "metadata");
  const counts = {
    disk_mib: number("disk_mib", "the disk"),
    idle_timeout_s: number("idle_timeout_s", "the idle time"),
    max_lifetime_s: number("max_lifetime_s", "the lifetime"),
    // A template and a snapshot have their shape already.
    ...(origin === "image" && {
      memory_mib: number("memory_mib", "memory"),
      vcpus: number("vcpus", "the number of CPUs"),
    }),
  };
  for (const [field, value] of Object.entries(counts)) {
    if (value !== undefined) Object.assign(request, { [field]: value });
  }
  if (name !== "") request.name = name;
  // Absent with a snapshot they are those of the VM that it was taken of.
  if (Object.keys(env).length > 0) request.env = env;
  if (metadata) request.metadata = metadata;
  return request;
}
