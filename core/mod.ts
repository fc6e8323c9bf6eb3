/**
 * The one door into core: contracts, the plugin host, board manifests and the machine.
 *
 * @module
 */

// Contracts.
export * from "./memory/address.ts";
export * from "./board/board.ts";
export type { BoardTest } from "./board/board_test_script.ts";
export * from "./plugin/capability.ts";
export * from "./schedule/clock.ts";
export * from "./plugin/context.ts";
export { parseCpus, poolOf, poolOptions, poolsOf } from "./schedule/cpu_pool.ts";
export type { CpuPool, PoolOptions } from "./schedule/cpu_pool.ts";
export * from "./arch/cpu_engine.ts";
export * from "./arch/parallel_cpus.ts";
export type { Stop, Stopped } from "./arch/stops.ts";
export * from "./arch/device_tree.ts";
export * from "./board/diagnostics.ts";
export * from "./host/disk.ts";
export * from "./machine/domain.ts";
export * from "./board/errors.ts";
export * from "./arch/exceptions.ts";
export * from "./host/folder.ts";
export * from "./host/host_cache.ts";
export * from "./host/host_sockets.ts";
export * from "./memory/hypervisor_map.ts";
export * from "./arch/interrupts.ts";
export * from "./memory/memory_backend.ts";
export type { CacheColours } from "./memory/cache_colours.ts";
export * from "./board/options.ts";
export * from "./memory/physical_memory.ts";
export * from "./board/platform.ts";
export * from "./plugin/plugin.ts";
export * from "./schedule/scheduler_policy.ts";
export * from "./host/serial.ts";

// Running machines.
export { openHostFolder } from "./host/host_folder.ts";
export { callers } from "./machine/backtrace.ts";
export type { FrameSources } from "./machine/backtrace.ts";
export type { Instrument } from "./machine/instrument.ts";
export type { ExitKind } from "./machine/dispatch.ts";
export { Machine } from "./machine/machine.ts";
export type { Debugger, DebuggerEnvironment, DomainStop, Halt, Resume } from "./machine/debugger.ts";
export type { DomainStatus, VcpuStatus } from "./machine/status.ts";
export { ReplayError } from "./snapshot/journal.ts";
export type {
  DomainOperation,
  HaltedPlace,
  Journal,
  JournalEntry,
  JournalEnvironment,
  OutsideInput,
  RunPlace,
} from "./snapshot/journal.ts";
export {
  OutputHashes,
  readRecording,
  recordedSockets,
  Recorder,
  RECORDING_VERSION,
  recordingHead,
  recordingLine,
} from "./snapshot/recording.ts";
export type { Recording, RecordingEnd, RecordingHead } from "./snapshot/recording.ts";
export { imageHashes, readSnapshot, writeSnapshot } from "./snapshot/file.ts";
export { boardHash, Snapshot } from "./snapshot/snapshot.ts";
export { SnapshotError } from "./snapshot/snapshot_error.ts";
export type { DiskIdentity, SnapshotAbout, SnapshotOrigin } from "./snapshot/snapshot.ts";
export type { Holdings, PluginInUse } from "./machine/inventory.ts";
export type { MachineEnvironment, MachineStats, RecordedOperation, StopReason } from "./machine/machine.ts";
export type { RunControl } from "./schedule/run_control.ts";
export type { Scheduling } from "./schedule/scheduler.ts";
export { denoSockets } from "./host/deno_sockets.ts";
export { replaySockets } from "./host/replay_sockets.ts";
export { PluginError } from "./plugin/plugin_errors.ts";
export { OverlapError } from "./memory/mmio.ts";
export { OutOfFramesError } from "./memory/ram.ts";
export { readRegister, writeRegister } from "./arch/register_names.ts";
export * from "./arch/registers.ts";
export * from "./arch/syndrome.ts";

// Testing guests.
export { BUNDLE_RECORDING } from "./testing/guest_bundle.ts";
export { ConsoleText } from "./testing/console_text.ts";
export { GuestConsole } from "./testing/guest_console.ts";
export type { Duration, Patience, Seen } from "./testing/guest_console.ts";
export { GuestCpu, GuestMemory } from "./testing/guest_parts.ts";
export { Guest, GuestError } from "./testing/guest.ts";
export type { ExitBudget, GuestOrigin, Reached } from "./testing/guest.ts";

// Manifests.
export { checkBoard, loadBoard, readManifest } from "./board/manifest.ts";
export type { CheckedBoard, ManifestOptions } from "./board/manifest.ts";
export { checkDomain } from "./board/domain_check.ts";
export type { CheckedDomain, DomainCheckOptions } from "./board/domain_check.ts";
export type { ManifestPath } from "./board/manifest_path.ts";
export { parseOverride } from "./board/manifest_overrides.ts";
export type { Override } from "./board/manifest_overrides.ts";
export { convertOption, parseDuration, parseInteger, parseInterrupt, parseSize, printSize, wanted } from "./board/option_values.ts";
export type { Conversion, ValueProblem } from "./board/option_values.ts";
export { boardSchema } from "./board/schema.ts";
export type { JsonSchema } from "./board/schema.ts";
export { nearest } from "./board/suggest.ts";
