// What the API's routes take and give, out of the types that are made of docs/openapi.json.

import type { paths } from "../schema.js";

/** The methods that the SDK uses. */
export type Method = "get" | "put" | "post" | "delete" | "patch";

/** The routes that know a method. */
export type Route<M extends Method> = {
  [Path in keyof paths]: [NonNullable<paths[Path][M]>] extends [never] ? never : Path;
}[keyof paths] &
  string;

type Operation<M extends Method, R extends Route<M>> = NonNullable<paths[R][M]>;

/** What a route's query may hold. */
export type Query<M extends Method, R extends Route<M>> =
  Operation<M, R> extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never;

/** What a route takes as JSON. */
export type Body<M extends Method, R extends Route<M>> =
  Operation<M, R> extends { requestBody: { content: { "application/json": infer B } } } ? B : never;

/** What a route answers as JSON; nothing where it only says that it is done. */
export type Answer<M extends Method, R extends Route<M>> =
  Operation<M, R> extends { responses: infer Responses }
    ? Responses extends { 200: { content: { "application/json": infer A } } }
      ? A
      : Responses extends { 201: { content: { "application/json": infer A } } }
        ? A
        : undefined
    : never;
