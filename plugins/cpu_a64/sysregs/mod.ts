/** The door of this folder: the tables of system registers and system instructions, and what is known by them. */
export { type Access, type Encoding, type Hook, type Row } from "./row.ts";
export { type Feature, FEATURES } from "./features.ts";
export { copyPair, getLong, getWord, setLong, setPair, setWord, type StateBlock } from "./block.ts";
export * from "./table.ts";
export { type ArchitecturalTimer, architecturalTimers } from "./timer_registers.ts";
export * from "./access.ts";
export * from "./models.ts";
export * from "./register_file.ts";
export * from "./system_instructions.ts";
export { BREAKPOINTS, CONTEXT_BREAKPOINTS, WATCHPOINTS } from "./debug_registers.ts";
export { LIST_REGISTERS } from "./gic_registers.ts";
export { DIRECT_REGIONS, MAX_MPU_REGIONS } from "./pmsa_registers.ts";
