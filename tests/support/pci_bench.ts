/** A bus for tests: functions that remember what reached them, and a doorbell that remembers messages. */
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { MessageInterrupts } from "../../plugins/gic/contract.ts";
import { PciBus } from "../../plugins/pci/contract.ts";
import type { PciBar, PciFunction, PciFunctionSpec, PciSlot } from "../../plugins/pci/contract.ts";
import { pci } from "../../plugins/pci/mod.ts";
import type { PciState } from "../../plugins/pci/host.ts";

export const ECAM = 0x3f00_0000;
export const MEMORY = 0x1000_0000;
export const IO = 0x3eff_0000;
export const MEMORY64 = 0x80_0000_0000;
export const DOORBELL = 0x0809_0000;
/** INTID of the first of four. */
export const INTX = 35;

/** A bench with a host bridge. */
export interface PciBench {
  readonly kit: Bench;
  readonly state: PciState;
  /** Messages that reached the doorbell. */
  readonly messages: { readonly deviceId: number; readonly ipa: number; readonly data: number }[];
  plug(spec?: Partial<PciFunctionSpec>, slot?: PciSlot): PciFunction;
}

/** A BAR that answers reads with `mark` and keeps a log. */
export function loggingBar(kind: PciBar["kind"], size: number, mark: number, log: string[] = []): PciBar {
  return {
    kind,
    size,
    handler: {
      read(offset, width) {
        log.push(`r${width} ${offset}`);
        return mark;
      },
      write: (offset, width, value) => void log.push(`w${width} ${offset} ${value}`),
    },
  };
}

/** Makes one. */
export async function pciBench({ doorbell = true, memory64 }: { doorbell?: boolean; memory64?: number } = {}): Promise<PciBench> {
  const messages: PciBench["messages"] = [];
  const kit = bench({
    provide: doorbell
      ? [[MessageInterrupts, {
        at: DOORBELL,
        size: 0x1_0000,
        write: (deviceId: number, ipa: number, data: number) => void messages.push({ deviceId, ipa, data }),
      }]]
      : [],
  });
  const state = await kit.attach(pci, { memory64 } as Parameters<NonNullable<typeof pci.resources>>[0]);
  const bus = kit.get(PciBus);
  return {
    kit,
    state,
    messages,
    plug: (spec = {}, slot) =>
      bus.plug({
        name: "probe",
        vendorId: 0x1234,
        deviceId: 0x5678,
        subsystemVendorId: 0x9abc,
        subsystemId: 0xdef0,
        classCode: 0x12_3456,
        revision: 7,
        bars: {},
        ...spec,
      }, slot),
  };
}

/** IPA of a register in configuration space. */
export function config(device: number, register: number, fn = 0): number {
  return ECAM + (device << 15 | fn << 12 | register);
}
