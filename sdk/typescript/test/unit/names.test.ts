import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { camel, fromWire, MAPS, snake, toWire } from "../../src/http/names.js";

interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  type?: string | string[];
}

const api = JSON.parse(
  readFileSync(new URL("../../../../docs/openapi.json", import.meta.url), "utf8"),
) as unknown;

/** Every property that some type of the API has. */
function properties(node: unknown): [string, Schema][] {
  if (typeof node !== "object" || node === null) return [];
  const own = Object.entries((node as Schema).properties ?? {});
  return [...own, ...Object.values(node).flatMap(properties)];
}

describe("names", () => {
  test("every name of the API survives the way there and back", () => {
    const names = [...new Set(properties(api).map(([name]) => name))];
    expect(names.length).toBeGreaterThan(100);
    expect(names.filter((name) => snake(camel(name)) !== name)).toEqual([]);
  });

  test("every map of the API is known as one, so that users' own names stay", () => {
    const isMap = ({ type, properties: fields, additionalProperties }: Schema): boolean =>
      [type].flat().includes("object") && fields === undefined && additionalProperties !== false;
    const maps = properties(api).filter(([, schema]) => isMap(schema));
    expect(new Set(maps.map(([name]) => camel(name)))).toEqual(MAPS);
  });

  test("fields change, values and users' names do not", () => {
    const wire = {
      exit_code: 1,
      env: { A_b: "c_d" },
      metadata: { in_it: { still_there: 1 } },
      list: [{ a_b: "x_y" }],
    };
    const here = {
      exitCode: 1,
      env: { A_b: "c_d" },
      metadata: { in_it: { still_there: 1 } },
      list: [{ aB: "x_y" }],
    };
    expect(fromWire(wire)).toEqual(here);
    expect(toWire(here)).toEqual(wire);
  });

  test("a list that has a map's name is a list", () => {
    expect(fromWire({ versions: [{ code_bytes: 1 }], env: ["A_B"] })).toEqual({
      versions: [{ codeBytes: 1 }],
      env: ["A_B"],
    });
  });
});
