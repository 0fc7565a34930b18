// Writes src/api/schema.d.ts out of docs/openapi.json, so that the build breaks where the API has changed.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const source = new URL("../../docs/openapi.json", import.meta.url);
const target = new URL("../src/api/schema.d.ts", import.meta.url);

const api = JSON.parse(await readFile(source, "utf8"));
await writeFile(target, astToString(await openapiTS(api, { defaultNonNullable: false })));
