/**
 * Schedulers: who runs on which physical CPU, and for how long. Each use of one is a pool of CPUs with domains of its own.
 *
 * What can a hostile guest do here? Wake, sleep, yield and spin. No policy lets it have more than its share over the time that the policy
 * promises it for, and none keeps state that grows with what a guest does.
 * @module
 */
export { schedulerArinc653 } from "./arinc653/plugin.ts";
export type { Arinc653Options } from "./arinc653/plugin.ts";
export { schedulerCredit2 } from "./credit2/plugin.ts";
export type { Credit2Options } from "./credit2/plugin.ts";
export { schedulerFair } from "./fair/plugin.ts";
export type { FairOptions } from "./fair/policy.ts";
export { schedulerNull } from "./null/plugin.ts";
export { schedulerRtds } from "./rtds/plugin.ts";
export type { RtdsOptions } from "./rtds/plugin.ts";
