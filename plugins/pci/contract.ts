/** What a device on the PCI bus declares, and what it gets: the transport of virtio-pci as well as of a plain chip. */
import { capability } from "../../core/mod.ts";
import type { Capability, DomainContext, Ipa, MmioHandler, OptionSpec } from "../../core/mod.ts";

/** A base address register, and who answers behind it. */
export interface PciBar {
  /** I/O space, or memory with an address of 32 or 64 bits; the latter takes the next BAR as well. */
  readonly kind: "io" | "memory32" | "memory64";
  /** Bytes, a power of two: I/O 4 to 256, memory from 16. */
  readonly size: number;
  /** Reads have no side effects. */
  readonly prefetchable?: boolean;
  /** Offsets are from the BAR's base, wherever the guest moved it. The command register was asked already. */
  readonly handler: MmioHandler;
}

/** A capability of the configuration space that the bus knows nothing of (vendor-specific ones, for virtio). */
export interface PciCapability {
  /** Capability ID; 0x09 is vendor-specific. */
  readonly id: number;
  /** What follows the ID and the next pointer: the offset 2 of the capability is `body[0]`. */
  readonly body: Uint8Array;
  /** Bits of `body` that the guest may write; none when absent. */
  readonly writable?: Uint8Array;
  /** Before an access reads `body`: the device may refresh its content. Offsets and the live bytes are those of `body`. */
  reading?(body: Uint8Array, offset: number, size: number): void;
  /** After an access wrote `body`. */
  written?(body: Uint8Array, offset: number, size: number): void;
}

/** A function, as data. */
export interface PciFunctionSpec {
  /** For messages. */
  readonly name: string;
  /** Vendor ID, 16 bits. */
  readonly vendorId: number;
  /** Device ID, 16 bits. */
  readonly deviceId: number;
  /** Subsystem Vendor ID, 16 bits. */
  readonly subsystemVendorId: number;
  /** Subsystem ID, 16 bits. */
  readonly subsystemId: number;
  /** Base class, subclass and programming interface, 24 bits. */
  readonly classCode: number;
  /** Revision ID, 8 bits; 0 when absent. */
  readonly revision?: number;
  /** By number. */
  readonly bars: { readonly [bar in 0 | 1 | 2 | 3 | 4 | 5]?: PciBar };
  /** Has INTA#. */
  readonly intx?: boolean;
  /** Has MSI: 64-bit addresses, masking per vector. A power of two, 32 at most. */
  readonly msi?: { readonly vectors: number };
  /**
   * Has MSI-X. `table` and `pba` are offsets in a memory BAR; without that BAR in `bars`
   * the bus makes one that holds nothing else. 2048 vectors at most.
   */
  readonly msix?: { readonly vectors: number; readonly bar: 0 | 1 | 2 | 3 | 4 | 5; readonly table?: number; readonly pba?: number };
  /** In this order, after MSI and MSI-X. */
  readonly capabilities?: readonly PciCapability[];
}

/** A function on the bus, as its device sees it. */
export interface PciFunction {
  /** Bus, device and function as they identify its messages: bus << 8 | device << 3 | function. */
  readonly requesterId: number;
  /** How the guest wants to hear of interrupts at the moment. */
  readonly signalling: "intx" | "msi" | "msix";
  /** The interrupt condition. INTA# follows it; with messages its rise sends `vector`. */
  setLevel(level: boolean, vector?: number): void;
  /** An event: one message, held while it is masked. Nothing without MSI or MSI-X. */
  signal(vector: number): void;
  /** Reads guest memory. Undefined unless the function is bus master and all of it is guest RAM. */
  read(ipa: Ipa, size: number): Uint8Array | undefined;
  /** Writes guest memory. False unless the function is bus master and all of it is guest RAM. */
  write(ipa: Ipa, bytes: Uint8Array): boolean;
}

/** Where a function sits on bus 0. */
export interface PciSlot {
  /** 1 to 31. */
  readonly device: number;
  /** 0 to 7. */
  readonly function: number;
}

/** The PCI bus of one domain. */
export interface PciBus {
  /** Plugs a function in; without a slot, at the first free device. Throws when the slot is taken or the function contradicts itself. */
  plug(spec: PciFunctionSpec, slot?: PciSlot): PciFunction;
}

/** The PCI bus of a domain. */
export const PciBus: Capability<PciBus> = capability("PciBus", "domain");

/** Reads `"3.0"` or `"3"` as a slot; returns what is wrong otherwise. For options. */
export function parseSlot(text: string): PciSlot | string {
  const match = /^(\d+)(?:\.([0-7]))?$/.exec(text);
  const device = Number(match?.[1]);
  if (match === null || device < 1 || device > 31) return "want DEVICE or DEVICE.FUNCTION: 1 to 31, and 0 to 7";
  return { device, function: Number(match[2] ?? 0) };
}

/** The option that says where a function sits: `slot`. */
export const slotOption: OptionSpec = {
  kind: "text",
  optional: true,
  doc: "Device, or device.function, on bus 0; the first free device when absent.",
  check(value) {
    const slot = parseSlot(String(value));
    return typeof slot === "string" ? slot : undefined;
  },
};

/** Plugs a function in where the option `slot` says; a slot that it can't have is a mistake of that option. */
export function plugAtSlot<O extends { readonly slot?: string }, S>(
  { options, get, fail }: DomainContext<O, S>,
  spec: PciFunctionSpec,
): PciFunction {
  const slot = options.slot === undefined ? undefined : parseSlot(options.slot);
  try {
    return get(PciBus).plug(spec, typeof slot === "string" ? undefined : slot);
  } catch (error) {
    return fail("slot", error instanceof Error ? error.message : String(error));
  }
}
