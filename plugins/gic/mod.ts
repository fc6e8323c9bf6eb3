/**
 * Interrupt controllers: GICv2, and GICv3 with its ITS. They share a virtual GIC that lives in list registers.
 * @module
 */
export { gicv2 } from "./gicv2/plugin.ts";
export type { Gicv2Options } from "./gicv2/plugin.ts";
export { gicv3 } from "./gicv3/plugin.ts";
export type { GicOptions } from "./gicv3/plugin.ts";
export { its } from "./its/plugin.ts";
export type { ItsOptions } from "./its/plugin.ts";
