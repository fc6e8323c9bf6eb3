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
export * from "./cpu_engine.ts";
export * from "./device_tree.ts";
export * from "./diagnostics.ts";
export * from "./domain.ts";
export * from "./errors.ts";
export * from "./exceptions.ts";
export * from "./interrupts.ts";
export * from "./memory_backend.ts";
export * from "./options.ts";
export * from "./physical_memory.ts";
export * from "./plugin.ts";
export * from "./scheduler_policy.ts";
export * from "./serial.ts";

// Running machines.
export { PluginError } from "./plugin_errors.ts";
export { OverlapError } from "./mmio.ts";
export { OutOfFramesError } from "./ram.ts";
export * from "./registers.ts";
export * from "./syndrome.ts";
