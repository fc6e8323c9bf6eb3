/** Lays out a function's configuration space: initial bytes, and which bits a guest may write. */
import type { PciBar, PciCapability, PciFunctionSpec } from "./contract.ts";
import { BarBits, Capability, Command, CONFIG_SIZE, Header, Msi, MsiControl, Msix, MsixControl, Status } from "./registers.ts";

/** Where things ended up. */
export interface Layout {
  /** Reset values. */
  readonly image: Uint8Array;
  /** Bits that a write changes. */
  readonly writable: Uint8Array;
  /** Offsets of capabilities; 0 where there is none. */
  readonly msi: number;
  readonly msix: number;
  /** Others: offset and length of their bodies. */
  readonly custom: readonly { readonly capability: PciCapability; readonly at: number; readonly end: number }[];
}

class Builder {
  readonly image = new Uint8Array(CONFIG_SIZE);
  readonly writable = new Uint8Array(CONFIG_SIZE);
  readonly #image = new DataView(this.image.buffer);
  readonly #writable = new DataView(this.writable.buffer);
  /** Where the next capability goes, and who points at it. */
  #free: number = Header.END;
  #link: number = Header.CAPABILITIES;

  constructor(readonly name: string) {}

  word8(at: number, value: number, writable = 0): void {
    this.#image.setUint8(at, value);
    this.#writable.setUint8(at, writable);
  }
  word16(at: number, value: number, writable = 0): void {
    this.#image.setUint16(at, value, true);
    this.#writable.setUint16(at, writable, true);
  }
  word32(at: number, value: number, writable = 0): void {
    this.#image.setUint32(at, value >>> 0, true);
    this.#writable.setUint32(at, writable >>> 0, true);
  }

  /** Links a capability of so many bytes and returns its offset. */
  capability(id: number, size: number): number {
    const at = this.#free;
    if (at + size > CONFIG_SIZE) throw new RangeError(`${this.name}: its capabilities don't fit the configuration space`);
    this.word8(this.#link, at);
    this.#link = at + 1;
    this.#free = at + size + 3 & ~3;
    this.word8(at, id);
    this.word16(Header.STATUS, Status.CAPABILITIES);
    return at;
  }
}

/** Lays a function out. `bars` has what MSI-X adds. Throws a `RangeError` when the declaration contradicts itself. */
export function layOut(spec: PciFunctionSpec, bars: PciFunctionSpec["bars"]): Layout {
  const build = new Builder(spec.name);
  build.word16(Header.VENDOR_ID, spec.vendorId);
  build.word16(Header.DEVICE_ID, spec.deviceId);
  build.word8(Header.REVISION, spec.revision ?? 0);
  build.word8(Header.CLASS, spec.classCode);
  build.word16(Header.CLASS + 1, spec.classCode >>> 8);
  build.word8(Header.CACHE_LINE, 0, 0xff);
  build.word16(Header.SUBSYSTEM_VENDOR_ID, spec.subsystemVendorId);
  build.word16(Header.SUBSYSTEM_ID, spec.subsystemId);
  build.word8(Header.INTERRUPT_LINE, 0, 0xff);
  build.word8(Header.INTERRUPT_PIN, spec.intx ? 1 : 0);
  build.word16(Header.COMMAND, 0, layOutBars(build, bars) | Command.MASTER | Command.PARITY | Command.SERR | Command.INTX_DISABLE);
  const msi = spec.msi ? layOutMsi(build, spec.msi.vectors) : 0;
  const msix = spec.msix ? layOutMsix(build, spec.msix) : 0;
  const custom = (spec.capabilities ?? []).map((capability) => {
    const { id, body, writable } = capability;
    const at = build.capability(id, 2 + body.length) + 2;
    build.image.set(body, at);
    build.writable.set(writable?.subarray(0, body.length) ?? [], at);
    return { capability, at, end: at + body.length };
  });
  return { image: build.image, writable: build.writable, msi, msix, custom };
}

const isPower = (value: number) => Number.isSafeInteger(Math.log2(value));

/** Returns the bits of COMMAND that make sense with these BARs: a function without I/O can't switch it on. */
function layOutBars(build: Builder, bars: PciFunctionSpec["bars"]): number {
  let command = 0;
  for (const [index, bar] of eachBar(bars)) {
    const at = Header.BAR + 4 * index;
    const { kind, size } = bar;
    const [least, most] = kind === "io" ? [4, 256] : [16, kind === "memory32" ? 2 ** 31 : 2 ** 40];
    if (!isPower(size) || size < least || size > most) throw new RangeError(`${build.name}: BAR ${index} can't have ${size} bytes`);
    if (kind === "memory64" && (index === 5 || bars[(index + 1) as 0] !== undefined)) {
      throw new RangeError(`${build.name}: BAR ${index} has 64 bits and no room for its upper half`);
    }
    command |= kind === "io" ? Command.IO : Command.MEMORY;
    const flags = kind === "io" ? BarBits.IO : (kind === "memory64" ? BarBits.MEMORY64 : 0) | (bar.prefetchable ? BarBits.PREFETCHABLE : 0);
    build.word32(at, flags, size >= 2 ** 32 ? 0 : 2 ** 32 - size);
    if (kind === "memory64") build.word32(at + 4, 0, size > 2 ** 32 ? 2 ** 32 - size / 2 ** 32 : 0xffff_ffff);
  }
  return command;
}

/** BARs by number. */
export function eachBar(bars: PciFunctionSpec["bars"]): [index: number, bar: PciBar][] {
  return ([0, 1, 2, 3, 4, 5] as const).flatMap((index) => {
    const bar = bars[index];
    return bar === undefined ? [] : [[index, bar] as [number, PciBar]];
  });
}

function layOutMsi(build: Builder, vectors: number): number {
  if (!isPower(vectors) || vectors > 32) throw new RangeError(`${build.name}: MSI has 1, 2, 4, 8, 16 or 32 vectors, not ${vectors}`);
  const at = build.capability(Capability.MSI, Msi.SIZE);
  const control = MsiControl.ADDRESS64 | MsiControl.MASKS | Math.log2(vectors) << MsiControl.CAPABLE;
  build.word16(at + Msi.CONTROL, control, MsiControl.ENABLE | 7 << MsiControl.ENABLED);
  build.word32(at + Msi.ADDRESS, 0, 0xffff_fffc);
  build.word32(at + Msi.ADDRESS_HIGH, 0, 0xffff_ffff);
  build.word16(at + Msi.DATA, 0, 0xffff);
  build.word32(at + Msi.MASK, 0, 2 ** vectors - 1);
  return at;
}

function layOutMsix(build: Builder, { vectors, bar, table = 0, pba = 0 }: NonNullable<PciFunctionSpec["msix"]>): number {
  const at = build.capability(Capability.MSIX, Msix.SIZE);
  build.word16(at + Msix.CONTROL, vectors - 1, MsixControl.ENABLE | MsixControl.MASK);
  build.word32(at + Msix.TABLE, table | bar);
  build.word32(at + Msix.PBA, pba | bar);
  return at;
}
