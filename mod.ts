/**
 * Plugboard composes an Arm hypervisor from plugins: a board manifest names the
 * machine, the plugins and the guests.
 *
 * @module
 */

export * from "./core/mod.ts";
export { plugins } from "./plugins/mod.ts";
