/**
 * The one door into core: contracts, the plugin host, board manifests and the machine.
 *
 * @module
 */

// Contracts.
export * from "./address.ts";
export * from "./board.ts";
export * from "./capability.ts";
export * from "./clock.ts";
export * from "./context.ts";
export { parseCpus, poolOf, poolOptions, poolsOf } from "./cpu_pool.ts";
export type { CpuPool, PoolOptions } from "./cpu_pool.ts";
export * from "./cpu_engine.ts";
export * from "./device_tree.ts";
export * from "./diagnostics.ts";
export * from "./disk.ts";
export * from "./domain.ts";
export * from "./errors.ts";
export * from "./exceptions.ts";
export * from "./folder.ts";
export * from "./host_sockets.ts";
export * from "./hypervisor_map.ts";
export * from "./interrupts.ts";
export * from "./memory_backend.ts";
export * from "./options.ts";
export * from "./physical_memory.ts";
export * from "./platform.ts";
export * from "./plugin.ts";
export * from "./scheduler_policy.ts";
export * from "./serial.ts";

// Running machines.
export { openHostFolder } from "./host_folder.ts";
export { Machine } from "./machine.ts";
export type { MachineEnvironment, MachineStats, StopReason } from "./machine.ts";
export type { Scheduling } from "./scheduler.ts";
export { denoSockets } from "./deno_sockets.ts";
export { replaySockets } from "./replay_sockets.ts";
export { PluginError } from "./plugin_errors.ts";
export { OverlapError } from "./mmio.ts";
export { OutOfFramesError } from "./ram.ts";
export * from "./registers.ts";
export * from "./syndrome.ts";

// Manifests.
export { checkBoard, loadBoard, readManifest } from "./manifest.ts";
export type { CheckedBoard, ManifestOptions } from "./manifest.ts";
export type { ManifestPath } from "./manifest_path.ts";
export { parseOverride } from "./manifest_overrides.ts";
export type { Override } from "./manifest_overrides.ts";
export { convertOption, parseDuration, parseInteger, parseInterrupt, parseSize, printSize, wanted } from "./option_values.ts";
export type { Conversion, ValueProblem } from "./option_values.ts";
export { boardSchema } from "./schema.ts";
export type { JsonSchema } from "./schema.ts";
export { nearest } from "./suggest.ts";
