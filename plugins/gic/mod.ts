/**
 * Interrupt controllers: GICv2 with its MSI frame, and GICv3 with its ITS. They share a virtual GIC that lives in list registers.
 * @module
 */
export { gicv2 } from "./gicv2/plugin.ts";
export type { Gicv2Options } from "./gicv2/plugin.ts";
export { gicv2m } from "./gicv2m/plugin.ts";
export type { Gicv2mOptions } from "./gicv2m/plugin.ts";
export { gicv3 } from "./gicv3/plugin.ts";
export type { GicOptions } from "./gicv3/plugin.ts";
export { its } from "./its/plugin.ts";
export type { ItsOptions } from "./its/plugin.ts";
