import { useId } from "preact/hooks";
import { call } from "../../api/client";
import { mib } from "../../lib/format";
import { useResource } from "../../state/resource";
import { SelectField, TextField } from "../../ui/field";
import { Problem } from "../../ui/problem";
import type { Origin } from "./create-request";

interface Choice {
  value: string;
  text: string;
}

/** What VMs can begin with: those that are here. */
async function choices(origin: Origin, signal: AbortSignal): Promise<Choice[]> {
  switch (origin) {
    case "image": {
      const { images } = await call("get", "/v1/images", { signal });
      return images.flatMap(({ names }) => names.map((name) => ({ value: name, text: name })));
    }
    case "template": {
      const { templates } = await call("get", "/v1/templates", { signal });
      return templates.map(({ id, image_names: names, memory_mib, vcpus }) => ({
        value: id,
        text: `${names[0] ?? id} · ${mib(memory_mib)} · ${vcpus} CPU · ${id}`,
      }));
    }
    case "snapshot": {
      const { snapshots } = await call("get", "/v1/snapshots", { query: { limit: 1000 }, signal });
      return snapshots.map(({ name, unusable }) => ({
        value: name,
        text: unusable ? `${name} (unusable)` : name,
      }));
    }
  }
}

interface Props {
  origin: Origin;
  value?: string;
}

/** What exactly a VM is to begin with. An image need not be here yet: it is made. */
export function OriginField({ origin, value }: Props) {
  const list = useId();
  const known = useResource((signal) => choices(origin, signal), [origin]);
  if (origin === "image") {
    return (
      <>
        <TextField
          label="Image"
          name="origin"
          list={list}
          required
          defaultValue={value ?? "python"}
          hint="One that is here, or one that Docker or a registry has."
        />
        <datalist id={list}>
          {known.data?.map((choice) => (
            <option key={choice.value} value={choice.value} />
          ))}
        </datalist>
        <Problem error={known.error} />
      </>
    );
  }
  return (
    <>
      <SelectField label={origin === "template" ? "Template" : "Snapshot"} name="origin" required>
        {known.data?.map((choice) => (
          <option key={choice.value} value={choice.value} selected={choice.value === value}>
            {choice.text}
          </option>
        ))}
      </SelectField>
      <Problem error={known.error} />
    </>
  );
}
