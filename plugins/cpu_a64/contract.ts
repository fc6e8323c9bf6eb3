/** What the CPU lends to other plugins: the arithmetic of the architecture's timers, so that EL2 software and hardware agree to the tick. */
export { firstNsOf, nextDeadlineTicks, outputLevel, ticksAt, virtualCount } from "./engine/timers.ts";
