/**
 * Interrupt controllers: GICv3. They share a virtual GIC that lives in list registers.
 * @module
 */
export { gicv3 } from "./gicv3/plugin.ts";
export type { GicOptions } from "./gicv3/plugin.ts";
