/** Finds changes of live translation table entries that lack break-before-make. */
export type { BreakBeforeMake } from "./checker.ts";
export { checkCpu } from "./cpu_machine.ts";
export { invalidationOf } from "./tlbi.ts";
export type { Violation } from "./report.ts";
