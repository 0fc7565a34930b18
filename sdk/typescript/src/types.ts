// The API's types, out of docs/openapi.json, by their names.

import type { components } from "./schema.js";

/** Every type of the API, with names in camel case. */
export type Schemas = components["schemas"];

/** A program in the background of a VM. */
export type BackgroundInfo = Schemas["BackgroundExec"];
/** A key that was just made; `key` is shown this once. */
export type CreatedKey = Schemas["CreatedKey"];
/** How a program ended. */
export type ExecExit = Schemas["ExecExit"];
/** A file, folder or other entry. */
export type FileInfo = Schemas["FileInfo"];
/** An alias of a function. */
export type FunctionAlias = Schemas["FunctionAlias"];
/** An event that is served later, or was. */
export type FunctionEvent = Schemas["FunctionEvent"];
/** A function. */
export type FunctionInfo = Schemas["FunctionInfo"];
/** The log of one invocation. */
export type FunctionLog = Schemas["FunctionLog"];
/** A version of a function. */
export type FunctionVersion = Schemas["FunctionVersion"];
/** An image. */
export type ImageInfo = Schemas["ImageInfo"];
/** A key, without what makes it one. */
export type KeyInfo = Schemas["KeyInfo"];
/** A language whose interpreter waits inside a template. */
export type Language = Schemas["Language"];
/** Something that happened to a VM or snapshot. */
export type LifecycleEvent = Schemas["LifecycleEvent"];
/** A pool. */
export type PoolInfo = Schemas["PoolInfo"];
/** How far long work is. */
export type Progress = Schemas["ProgressEvent"];
/** A snapshot. */
export type SnapshotInfo = Schemas["SnapshotInfo"];
/** How a VM came to be. */
export type StartKind = Schemas["StartKind"];
/** A template. */
export type TemplateInfo = Schemas["TemplateInfo"];
/** A terminal's size in character cells, each 1 to 1000. */
export type TerminalSize = Schemas["TerminalSize"];
/** Where the time went, in microseconds; the stages add up to `total`. */
export type TimingsUs = Schemas["TimingsUs"];
/** A VM. */
export type VmInfo = Schemas["VmInfo"];
/** What a VM uses. */
export type VmUsage = Schemas["VmUsage"];
/** Who the sender of a request is to the server. */
export type Whoami = Schemas["Whoami"];

/** What every call takes. */
export interface CallOptions {
  /** Gives the call up: it hangs up and throws the signal's reason. What the server then does is told at each call. */
  signal?: AbortSignal | undefined;
}

/** What long work takes. */
export interface WorkOptions extends CallOptions {
  /** Told how far it is, at most ten times a second. The next report waits until it returns. */
  onProgress?: ((progress: Progress) => void | Promise<void>) | undefined;
}
