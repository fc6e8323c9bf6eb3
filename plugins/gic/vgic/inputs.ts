/** The inputs of a GIC, as devices get them. */
import type { InterruptLine, Interrupts } from "../../../core/mod.ts";
import { interruptReport } from "./report.ts";
import type { Vgic } from "./vgic.ts";

/** Hands out inputs, each once. */
export function inputs(gic: Vgic): Interrupts {
  const taken = new Set<string>();
  const line = (v: number, intid: number, first: number, end: number, name: string): InterruptLine => {
    if (!Number.isInteger(intid) || intid < first || intid >= end) {
      throw new RangeError(`${name}: INTID is not within ${first} to ${end - 1}`);
    }
    if (taken.has(name)) throw new RangeError(`${name} is taken`);
    taken.add(name);
    return { intid, set: (level) => gic.setLine(v, intid, level) };
  };
  return {
    report: (v) => interruptReport(gic, v),
    wakeRequest: (v) => gic.wakeRequest(v),
    spi: (intid) => line(0, intid, 32, 32 * gic.state.words, `SPI with INTID ${intid}`),
    ppi(v, intid) {
      if (gic.vcpus[v] === undefined) throw new RangeError(`there is no vCPU ${v}`);
      return line(v, intid, 16, 32, `PPI with INTID ${intid} of vCPU ${v}`);
    },
  };
}
