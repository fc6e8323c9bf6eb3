/** What a vCPU is promised: so much time of a physical CPU in each period. */
import { parseDuration } from "../../../core/mod.ts";

/** A promise, in nanoseconds. */
export interface Reservation {
  readonly period: number;
  readonly budget: number;
  /** It also gets what the others leave over. */
  readonly extratime: boolean;
}

/** Neither may be shorter. */
export const LEAST_NS = 10_000;

const names = ["period", "budget", "extratime"];

/** Completes what a manifest says of a vCPU or domain with `defaults`. Throws a `RangeError` that says what is wrong. */
export function readReservation(said: unknown, defaults: Reservation): Reservation {
  if (typeof said !== "object" || said === null || Array.isArray(said)) throw new RangeError("want { period, budget, extratime }");
  for (const name of Object.keys(said)) {
    if (!names.includes(name)) throw new RangeError(`there is no ${name}; there is ${names.join(", ")}`);
  }
  const { period, budget, extratime = defaults.extratime } = said as Record<string, unknown>;
  if (typeof extratime !== "boolean") throw new RangeError(`extratime is ${JSON.stringify(extratime)}; want true or false`);
  const read = (name: string, value: unknown, byDefault: number): number => {
    const ns = value === undefined ? byDefault : typeof value === "number" ? value : parseDuration(value);
    if (ns === undefined) throw new RangeError(`the ${name} is ${JSON.stringify(value)}; want a time with its unit, such as 10ms`);
    if (!(ns >= LEAST_NS)) throw new RangeError(`the ${name} is ${ns} ns; want 10us at least`);
    return ns;
  };
  const reservation = { period: read("period", period, defaults.period), budget: read("budget", budget, defaults.budget), extratime };
  if (reservation.budget > reservation.period) {
    throw new RangeError(`the budget, ${reservation.budget} ns, is more than the period, ${reservation.period} ns`);
  }
  return reservation;
}

/** The reservation of a vCPU: an entry is for all vCPUs of a domain, or a list by vCPU. */
export function reservationOf(entry: unknown, vcpu: number, defaults: Reservation): Reservation {
  const own = Array.isArray(entry) ? entry[vcpu] : entry;
  return own === undefined ? defaults : readReservation(own, defaults);
}
