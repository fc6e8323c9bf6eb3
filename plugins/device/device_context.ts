/** What a device is given, made from the context of the plugin that runs it and from what it is connected to. */
import { CpuEngine } from "../../core/mod.ts";
import type { BoardContext } from "../../core/mod.ts";
import type { CableEnd } from "../network/contract.ts";
import { deviceBasics } from "./basics.ts";
import type { DeviceContext, DeviceDma, DeviceLine, DeviceModel } from "./model.ts";
import { placedInterrupts } from "./options.ts";

/** Where a device is: in a domain, or on the physical bus. */
export interface Surroundings {
  readonly dma: DeviceDma;
  readonly cables?: ReadonlyMap<string, CableEnd>;
  /** The input of the interrupt controller that one of its interrupts leads to. */
  line(intid: number): DeviceLine;
  resetDomain(cause: string): void;
}

/** All that a device may touch. */
export function deviceContext<O, S, P>(
  device: DeviceModel<O, S>,
  context: BoardContext<O & P, S>,
  { dma, cables, line, resetDomain }: Surroundings,
): DeviceContext<O, S> {
  const lines = new Map<string, DeviceLine>();
  for (const { name, intid } of placedInterrupts(device, context.options as Record<string, unknown>)) {
    lines.set(name, intid === undefined ? { set: () => {} } : line(intid));
  }
  return {
    ...deviceBasics<O, S>(device, context, context.state, cables),
    dma,
    interrupt(name) {
      const found = lines.get(name);
      if (found === undefined) throw new Error(`device ${device.name} has no interrupt ${JSON.stringify(name)}`);
      return found;
    },
    bootTimeSeconds: context.host.bootTimeSeconds,
    counterFrequencyHz: context.get(CpuEngine).counterFrequencyHz,
    resetDomain,
  };
}
