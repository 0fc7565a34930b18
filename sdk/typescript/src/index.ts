// The public surface.

export { BackgroundExec, type FollowOptions, type Missed } from "./background.js";
export type { Bytes, ByteStream } from "./bytes.js";
export { ThawConnectionError, ThawError, type ThawErrorCode, type ThawErrorDetails } from "./errors.js";
export {
  type Command,
  type ExecOptions,
  ExecResult,
  type FreshExecOptions,
  type OnOutput,
  type ProgramOptions,
} from "./exec.js";
export { Files, type ReadOptions, type WriteOptions } from "./files.js";
export { type EventFilter, FunctionEvents } from "./function-events.js";
export { type DeployOptions, Functions, type LogOptions, type Weights } from "./functions.js";
export type { GuestPath } from "./http/address.js";
export { type AddImageOptions, Images, type UploadImageOptions, type UploadKind } from "./images.js";
export type { FunctionError, InvokeOptions, InvokeResult, InvokeStream, Served } from "./invoke.js";
export { type KeyOptions, Keys } from "./keys.js";
export type { Lifecycle, LifecycleOptions } from "./lifecycle.js";
export { type PoolBounds, Pools } from "./pools.js";
export { type Output, Process, type SpawnOptions, Terminal, type TerminalOptions } from "./process.js";
export type { Signal } from "./signals.js";
export { type RestoreOptions, type SnapshotChange, Snapshots } from "./snapshots.js";
export { type FileTree, tarOf } from "./tar.js";
export { type TemplateOptions, Templates } from "./templates.js";
export { type ImageOrTemplate, Thaw, type ThawOptions } from "./thaw.js";
export type * from "./types.js";
export { type ConsoleOptions, type Fork, type ForkOptions, Vm, type VmChange } from "./vm.js";
export { type CreateVmOptions, type VmFilter, Vms } from "./vms.js";
