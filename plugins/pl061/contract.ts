/** What other plugins may connect to a domain's GPIO controller: whatever moves a pin. */
import { capability } from "../../core/mod.ts";
import type { Capability } from "../../core/mod.ts";

/** The pins of a domain's GPIO controller, seen from outside. */
export interface GpioPins {
  /** How many. */
  readonly count: number;
  /** Sets the level of a pin, from 0; the guest sees it where the pin is an input. Throws a `RangeError` for a pin that isn't there. */
  setInput(pin: number, high: boolean): void;
}

/** The GPIO controller of a domain. */
export const GpioPins: Capability<GpioPins> = capability("GpioPins", "domain");
