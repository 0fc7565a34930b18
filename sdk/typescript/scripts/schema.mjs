// Writes src/schema.d.ts out of docs/openapi.json, so that the check breaks where the API has changed.
//
// The SDK's names are in camel case, the API's in snake case. They are changed here, in the document, so that the types keep
// the document's descriptions; src/http/names.ts does the same to what goes over the wire.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const METHODS = ["get", "put", "post", "delete", "patch"];
const source = new URL("../../../docs/openapi.json", import.meta.url);
const target = new URL("../src/schema.d.ts", import.meta.url);

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const names = new Set();

/** Renames the properties of every schema below `node`. */
function rename(node) {
  if (Array.isArray(node)) return node.forEach(rename);
  if (node === null || typeof node !== "object") return;
  if (node.properties) {
    for (const name of Object.keys(node.properties)) names.add(name);
    const renamed = Object.entries(node.properties).map(([name, schema]) => [camel(name), schema]);
    node.properties = Object.fromEntries(renamed);
    if (node.required) node.required = node.required.map(camel);
  }
  // An object of which nothing is said may hold anything.
  const kinds = [node.type].flat();
  if (kinds.includes("object") && !node.properties) node.additionalProperties ??= true;
  // Examples show what is on the wire.
  delete node.example;
  Object.values(node).forEach(rename);
}

/** Renames the names of properties that descriptions speak of. */
function retell(node) {
  if (node === null || typeof node !== "object") return;
  if (typeof node.description === "string") {
    node.description = node.description.replace(/`([a-z0-9_]+)`/g, (whole, name) =>
      names.has(name) ? `\`${camel(name)}\`` : whole,
    );
  }
  Object.values(node).forEach(retell);
}

const api = JSON.parse(await readFile(source, "utf8"));
for (const item of Object.values(api.paths)) {
  for (const method of METHODS) {
    const operation = item[method];
    if (!operation) continue;
    for (const parameter of operation.parameters ?? []) {
      if (parameter.in === "query") parameter.name = camel(parameter.name);
    }
  }
}
rename(api);
retell(api);
await writeFile(target, astToString(await openapiTS(api, { defaultNonNullable: false })));
