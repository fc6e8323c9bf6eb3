/** Contract of an interrupt controller, as devices and plugins see it. */
import { capability } from "../plugin/capability.ts";
import type { Capability } from "../plugin/capability.ts";

/** An input of the interrupt controller. Level sensitive: it stays what it was set to. */
export interface InterruptLine {
  /** INTID: 16 to 31 private (PPI), 32 to 1019 shared (SPI). */
  readonly intid: number;
  /** Raises (`true`) or lowers the line. For an edge-triggered input the rise is what counts. */
  set(level: boolean): void;
}

/** The interrupt controller of one domain. */
export interface Interrupts {
  /** A shared input (SPI). `intid` from 32. Throws when it is out of range or taken. */
  spi(intid: number): InterruptLine;
  /** A private input (PPI) of one vCPU. `intid` 16 to 31. */
  ppi(vcpuIndex: number, intid: number): InterruptLine;
  /**
   * The controller's request to wake a powered-down vCPU: something is pending and enabled for it, even if its CPU interface is off or asleep.
   * The vCPU is kicked when that may have become true. Absent: only what wakes WFI wakes it.
   */
  wakeRequest?(vcpuIndex: number): boolean;
  /** For people: a line for each interrupt that is pending or active on a vCPU, and what keeps it there, PSTATE aside. Empty: none is. */
  report?(vcpuIndex: number): readonly string[];
}

/** The interrupt controller of a domain. */
export const Interrupts: Capability<Interrupts> = capability("Interrupts", "domain");
