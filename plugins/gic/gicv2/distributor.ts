/**
 * The distributor's frame, 4 KiB, whose first registers are banked for the CPU that reads them. Arm IHI 0048, "Distributor register map".
 * One Security state: both groups are the guest's, NSACR and SGIR.NSATT don't count.
 */
import { readBank, readPriority, writeBank, writePriority } from "../vgic/banks.ts";
import { IIDR } from "../vgic/frame.ts";
import type { Vgic } from "../vgic/vgic.ts";

/** Size of the frame in bytes. */
export const DISTRIBUTOR_SIZE = 0x1000;

const CTLR = 0x000;
const TYPER = 0x004;
const IIDR_OFFSET = 0x008;
/** ISPENDR0 and ICPENDR0: SGIs have registers of their own. */
const ISPENDR0 = 0x200;
const ICPENDR0 = 0x280;
const PRIORITY = 0x400;
const TARGETS = 0x800;
const TARGETS_END = 0xc00;
const SGIR = 0xf00;
const CPENDSGIR = 0xf10;
const SPENDSGIR = 0xf20;
const SPENDSGIR_END = 0xf30;
const IDENTIFICATION = 0xfd0;

/** ICPIDR4 to ICPIDR7, ICPIDR0 to ICPIDR3, ICCIDR0 to ICCIDR3: Arm's GICv2. */
const identification = [0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1];

/** GICD_SGIR.TargetListFilter. */
const Filter = { list: 0, others: 1, self: 2 } as const;

/** The distributor of one domain. */
export class Distributor {
  /** One bit for each vCPU. */
  readonly #everybody: number;

  constructor(private readonly gic: Vgic) {
    this.#everybody = (1 << gic.state.vcpus) - 1;
  }

  /** Reads as vCPU `v`. Widths that a register doesn't have, and what isn't aligned, read as zero. */
  read(v: number, offset: number, size: number): number {
    if (offset % size !== 0 || size > 4) return 0;
    if (takesBytes(offset)) return this.#readBytes(v, offset, size);
    return size === 4 ? this.#readWord(v, offset) : 0;
  }

  /** Writes as vCPU `v`. Widths that a register doesn't have, and what isn't aligned, are ignored. */
  write(v: number, offset: number, size: number, value: number): void {
    if (offset % size !== 0 || size > 4) return;
    if (takesBytes(offset) && (size < 4 || offset >= TARGETS)) {
      for (let n = 0; n < size; n++) this.#writeByte(v, offset + n, value >>> 8 * n & 0xff);
      if (offset >= TARGETS && offset < TARGETS_END) this.gic.refreshAll();
    } else if (size === 4) {
      this.#writeWord(v, offset, value);
    }
  }

  #shows = (word: number): boolean => word < this.gic.state.words;

  #readWord(v: number, offset: number): number {
    const { state } = this.gic;
    switch (offset) {
      case CTLR:
        return state.control;
      case TYPER:
        return state.words - 1 | state.vcpus - 1 << 5;
      case IIDR_OFFSET:
        return IIDR;
    }
    if (offset >= IDENTIFICATION) return identification[offset - IDENTIFICATION >> 2];
    return readBank(this.gic, v, offset, this.#shows);
  }

  #writeWord(v: number, offset: number, value: number): void {
    const { gic } = this;
    switch (offset) {
      case CTLR:
        gic.state.control = value & 3;
        return gic.refreshAll();
      case SGIR:
        return this.#sendSgi(v, value);
      case ISPENDR0:
      case ICPENDR0:
        return writeBank(gic, v, offset, value & 0xffff_0000, this.#shows);
    }
    writeBank(gic, v, offset, value, this.#shows);
  }

  #readBytes(v: number, offset: number, size: number): number {
    let value = 0;
    for (let n = 0; n < size; n++) value |= this.#readByte(v, offset + n) << 8 * n;
    return value >>> 0;
  }

  #readByte(v: number, offset: number): number {
    const { state } = this.gic;
    if (offset < TARGETS) return readPriority(this.gic, v, offset, this.#shows);
    if (offset >= CPENDSGIR) return state.sgiSources[v * 16 + (offset & 15)];
    const intid = offset - TARGETS;
    // Of SGIs and PPIs each vCPU sees itself, and finds out so which it is.
    return intid < 32 ? 1 << v : state.targets[intid - 32] ?? 0;
  }

  #writeByte(v: number, offset: number, value: number): void {
    const { gic } = this;
    if (offset < TARGETS) return writePriority(gic, v, offset, value, this.#shows);
    if (offset >= CPENDSGIR) return gic.setSources(v, offset & 15, value & this.#everybody, offset >= SPENDSGIR);
    const spi = offset - TARGETS - 32;
    if (spi < 0 || spi >= gic.state.targets.length) return;
    gic.state.targets[spi] = value & this.#everybody;
    gic.route(spi + 32);
  }

  #sendSgi(sender: number, value: number): void {
    const filter = value >>> 24 & 3;
    const self = 1 << sender;
    let targets = 0;
    if (filter === Filter.list) targets = value >>> 16 & this.#everybody;
    else if (filter === Filter.others) targets = this.#everybody & ~self;
    else if (filter === Filter.self) targets = self;
    for (let v = 0; v < this.gic.state.vcpus; v++) {
      if ((targets >>> v & 1) !== 0) this.gic.setSources(v, value & 15, self, true);
    }
  }
}

/** Registers of one byte for each INTID. */
function takesBytes(offset: number): boolean {
  return (offset >= PRIORITY && offset < TARGETS_END) || (offset >= CPENDSGIR && offset < SPENDSGIR_END);
}
