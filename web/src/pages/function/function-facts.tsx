import type { FunctionInfo } from "../../api/types";
import { bytes, mib, micros } from "../../lib/format";
import { addressOf } from "../../lib/route";
import { Fact } from "../../ui/fact";
import { Link } from "../../ui/link";

/** What a function is, as its newest version has it. */
export function FunctionFacts({ of }: { of: FunctionInfo }) {
  const { newest } = of;
  return (
    <section class="card">
      <dl class="facts">
        <Fact name="Newest version">
          {newest.version} of {of.versions}
        </Fact>
        <Fact name="Kind">
          {newest.kind} <code>{newest.handler ?? newest.command?.join(" ") ?? ""}</code>
        </Fact>
        <Fact name="Image">{newest.image}</Fact>
        <Fact name="Template">
          <Link href={addressOf({ page: "template", id: newest.template })}>{newest.template}</Link>
        </Fact>
        <Fact name="Shape">
          {mib(newest.memory_mib)}, {newest.vcpus} CPU
        </Fact>
        <Fact name="Code">{bytes(newest.code_bytes)}</Fact>
        <Fact name="Warm">
          {newest.min_warm} to {newest.max_warm}
        </Fact>
        <Fact name="Events at once">{newest.concurrency}</Fact>
        <Fact name="Time for an event">{micros(newest.timeout_ms * 1000)}</Fact>
        <Fact name="Events of one clone">{newest.reuse}</Fact>
        <Fact name="Environment">{newest.env.join(", ") || "nothing of its own"}</Fact>
        <Fact name="Now">
          {of.running} running, {of.waiting} waiting
        </Fact>
      </dl>
      {of.last_error && (
        <p class="quiet">
          Last error: {of.last_error.message} <code>{of.last_error.request_id}</code>
        </p>
      )}
    </section>
  );
}
