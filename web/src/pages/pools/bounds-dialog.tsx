import { call } from "../../api/client";
import { parseCount } from "../../lib/pairs";
import { TextField } from "../../ui/field";
import { FormDialog, textOf } from "../../ui/form-dialog";
import { OriginField } from "../vms/origin-field";
import { templateTitle, type NamedPool } from "./pools";

interface Props {
  /** Null where there is none yet. */
  pool: NamedPool | null;
  onDone: () => void;
  onClose: () => void;
}

/** Sets what a pool keeps. */
export function BoundsDialog({ pool, onDone, onClose }: Props) {
  return (
    <FormDialog
      title={pool ? `The pool of ${templateTitle(pool.of, pool.template)}` : "Keep an image parked"}
      submit="Set"
      doing={pool ? "Setting…" : "Making what is missing…"}
      onClose={onClose}
      onSubmit={async (form, signal) => {
        const idle = parseCount(textOf(form, "idle_s"), "the idle time");
        const body = {
          min: parseCount(textOf(form, "min"), "the least number") ?? 0,
          max: parseCount(textOf(form, "max"), "the largest number") ?? 0,
          ...(idle === undefined ? {} : { idle_ms: idle * 1000 }),
          ...(pool ? { template: pool.template } : { image: textOf(form, "origin") }),
        };
        await call("put", "/v1/pools", { body, signal });
        onDone();
      }}
    >
      <div class="fields">
        {!pool && <OriginField origin="image" />}
        <TextField
          label="At least"
          name="min"
          type="number"
          min={0}
          max={10000}
          required
          defaultValue={pool?.min ?? 1}
        />
        <TextField
          label="At most"
          name="max"
          type="number"
          min={0}
          max={10000}
          required
          defaultValue={pool?.max ?? 8}
        />
        <TextField
          label="Idle time (s)"
          name="idle_s"
          type="number"
          min={1}
          max={86400}
          defaultValue={(pool?.idle_ms ?? 300_000) / 1000}
          hint="Without a request for so long it shrinks to the least."
        />
      </div>
    </FormDialog>
  );
}
