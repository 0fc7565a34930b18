/** The API's routes as types: which there are, what they take, and what they answer. */
import type { paths } from "./schema";

export type Method = "get" | "put" | "post" | "delete" | "patch";
export type Path = keyof paths;

/** The paths that know a method. */
export type PathsWith<M extends Method> = { [P in Path]: paths[P][M] extends object ? P : never }[Path];

export type Operation<M extends Method, P extends Path> = paths[P][M];

type Parameter<O, K extends "path" | "query"> = O extends { parameters: infer A }
  ? K extends keyof A
    ? A[K]
    : undefined
  : undefined;

type JsonBody<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? B : undefined;

/** A field that must be given, may be, or can't be, as the route has it. */
type Field<K extends string, T> = [Exclude<T, undefined>] extends [never]
  ? Partial<Record<K, never>>
  : undefined extends T
    ? Partial<Record<K, Exclude<T, undefined>>>
    : Record<K, T>;

/** What stands in a request's address. */
export type Address<O> = Field<"path", Parameter<O, "path">> & Field<"query", Parameter<O, "query">>;

/** What a request takes besides its method and path. */
export type Wish<O> = Address<O> & Field<"body", JsonBody<O>> & { signal?: AbortSignal };

interface Content<T> {
  content: { "application/json": T };
}

/** What is answered when it went well. */
export type Answer<O> = O extends { responses: { 200: Content<infer T> } }
  ? T
  : O extends { responses: { 201: Content<infer T> } }
    ? T
    : undefined;
