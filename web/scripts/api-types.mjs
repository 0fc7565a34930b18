// Writes src/api/schema.d.ts out of docs/openapi.json, so that the build breaks where the API has changed.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const METHODS = ["get", "put", "post", "delete", "patch"];
const source = new URL("../../docs/openapi.json", import.meta.url);
const target = new URL("../src/api/schema.d.ts", import.meta.url);

const api = JSON.parse(await readFile(source, "utf8"));
for (const [path, item] of Object.entries(api.paths)) {
  for (const method of METHODS) {
    const operation = item[method];
    if (!operation) continue;
    // Operations of different routes share ids such as `list`, which would give all of them the type of one.
    delete operation.operationId;
    for (const parameter of operation.parameters ?? []) {
      // Enumerations of queries that the document names but does not hold.
      const schema = parameter.schema?.$ref?.split("/").at(-1);
      if (schema && !(schema in api.components.schemas)) parameter.schema = { type: "string" };
    }
  }
}
await writeFile(target, astToString(await openapiTS(api, { defaultNonNullable: false })));
