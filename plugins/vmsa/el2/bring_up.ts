/**
 * EL2 comes up: the image, two tables (one to boot with, one to run with), and the way of each CPU from its reset with the MMU off
 * through the boot table to the other one. The page that switches is in the identity map of both tables while it is needed, read-only
 * and executable, and in neither otherwise.
 */
import { hex, PAGE_SIZE } from "../../../core/mod.ts";
import type { CpuEngine, El2Call, El2Stop, Mapping, PhysicalMemory, VcpuState } from "../../../core/mod.ts";
import { MAIR, SCTLR, SCTLR_M, SCTLR_WXN, tcr } from "./descriptors.ts";
import { IMAGE_OWNER, IMAGE_SIZE, linkedAt, loadedAt, loadImage, sections, STACK_TOP } from "./image.ts";
import { layout } from "./layout.ts";
import { El2Table } from "./table.ts";
import type { El2TableParts } from "./table.ts";

/** Owner of EL2's tables. */
export const TABLE_OWNER = "hypervisor (EL2 tables)";
/** More than any of its routines has. */
const MAX_INSTRUCTIONS = 200;
const GIB = 2 ** 30;
/** Greatest TCR_EL2.PS that it uses: 48 bits. */
const MAX_PS = 5;

/** What it lives in. */
export interface El2Parts {
  readonly memory: PhysicalMemory;
  readonly engine: CpuEngine;
  /** RAM for the direct map. Other memory isn't in it: who maps that says how it is cached. */
  readonly ram: readonly { readonly at: number; readonly size: number }[];
}

/** One instruction of EL2's code, before it executes. */
export interface El2Step {
  /** The routine that was called. */
  readonly routine: string;
  readonly pc: bigint;
  /** SCTLR_EL2.M. */
  readonly mmu: boolean;
  readonly ttbr0: number;
  /** Where the PC maps by these registers; `undefined`: nowhere executable. */
  readonly pa: number | undefined;
}

/** EL2's own side of the machine. */
export class El2 {
  readonly boot: El2Table;
  readonly runtime: El2Table;
  readonly imagePa: number;
  /** The CPU that booted: EL2's registers are the same on all, and these are there before there is a domain. */
  readonly cpu: VcpuState;
  /** First PA of the direct map. */
  readonly directBase: number;
  /** Hears each instruction, when set. */
  onStep: ((step: El2Step) => void) | undefined;
  readonly #parts: El2Parts;

  /** Loads the image, builds the tables and boots the first CPU. Gives everything back when it throws. */
  constructor(parts: El2Parts, imageAt: number | undefined, onStep?: (step: El2Step) => void) {
    const { memory, engine } = parts;
    this.#parts = parts;
    this.onStep = onStep;
    this.cpu = engine.createVcpu({ mpidr: 0x8000_0000n });
    const made: { release(): void }[] = [{ release: () => engine.destroyVcpu(this.cpu) }];
    try {
      this.#checkCpu();
      this.imagePa = loadImage(memory, imageAt);
      made.push({ release: () => memory.release(IMAGE_OWNER, this.imagePa, IMAGE_SIZE) });
      engine.memoryWritten(this.imagePa, IMAGE_SIZE);
      this.directBase = Math.floor(Math.min(...parts.ram.map(({ at }) => at)) / GIB) * GIB;
      const make = () => {
        const table = new El2Table(this.#tableParts());
        made.push({ release: () => table.destroy() });
        for (const { offset, mapping } of sections) table.map(layout.image.at + offset, this.imagePa + offset, PAGE_SIZE, mapping);
        table.prepare(this.imagePa);
        return table;
      };
      this.boot = make();
      this.runtime = make();
      this.#mapDirectly();
      this.#start(this.cpu, 0n);
      this.switchTable(this.cpu, this.runtime);
      this.#run(this.cpu, "set_wxn", []);
    } catch (error) {
      for (const { release } of made.toReversed()) release();
      throw error;
    }
  }

  /** A CPU comes out of reset: through the boot table to the runtime table, WXN on from the start. */
  bringUp(vcpu: VcpuState): void {
    this.#start(vcpu, SCTLR_WXN);
    this.switchTable(vcpu, this.runtime);
  }

  /**
   * Replaces the table of a CPU that runs on {@linkcode boot} or `from`. Throws an `Error` when the code doesn't come back, with
   * what happened.
   */
  switchTable(vcpu: VcpuState, to: El2Table, from: El2Table = this.boot): void {
    this.#withIdentity([from, to], () => {
      this.#run(vcpu, "switch_ttbr", [BigInt(to.root), loadedAt(this.imagePa, "switch_ttbr_id")], STACK_TOP);
    });
  }

  /** Loads or stores by EL2's code: through the TLB, with exceptions. For tests of what EL2 can't do. */
  access(vcpu: VcpuState, va: bigint, value?: bigint): El2Stop {
    const routine = value === undefined ? "load" : "store";
    return this.#call(vcpu, routine, linkedAt(routine), value === undefined ? [va] : [va, value]);
  }

  /** Where RAM is in the direct map. */
  directVa(pa: number): number {
    return layout.directMap.at + pa - this.directBase;
  }

  /** Gives everything back. */
  destroy(): void {
    const { memory, engine } = this.#parts;
    engine.destroyVcpu(this.cpu);
    this.runtime.destroy();
    this.boot.destroy();
    memory.release(IMAGE_OWNER, this.imagePa, IMAGE_SIZE);
  }

  #tableParts(): El2TableParts {
    const { memory, engine } = this.#parts;
    return { memory, owner: TABLE_OWNER, invalidate: () => engine.invalidateTlb(0) };
  }

  /** RAM, in large blocks, writable but for the image's text and constants: those have no writable alias anywhere. */
  #mapDirectly(): void {
    const ram: Mapping = { read: true, write: true, execute: false, type: "normal-wb" };
    const readOnly: Mapping = { ...ram, write: false };
    const { imagePa } = this;
    const protectedEnd = imagePa + sections.filter(({ mapping }) => !mapping.write).length * PAGE_SIZE;
    for (const { at, size } of this.#parts.ram) {
      if (at + size - this.directBase > layout.directMap.size) throw new RangeError(`RAM at ${hex(at)} is beyond EL2's direct map`);
      const cuts = [at, imagePa, protectedEnd, at + size].map((cut) => Math.min(Math.max(cut, at), at + size));
      for (const [n, mapping] of [ram, readOnly, ram].entries()) {
        const [from, to] = [cuts[n], cuts[n + 1]];
        if (to > from) this.runtime.map(this.directVa(from), from, to - from, mapping, true);
      }
    }
  }

  #checkCpu(): void {
    const features = this.cpu.read("ID_AA64MMFR0_EL1");
    if ((features >> 48n & 15n) === 15n) throw new RangeError("the CPU's EL2 has no translation tables but an MPU: use pmsa");
    if (this.#parts.engine.runAtEl2 === undefined) throw new RangeError("the CPU engine runs no code at EL2");
  }

  /** From reset to the boot table. */
  #start(vcpu: VcpuState, sctlr: bigint): void {
    const ps = Math.min(Number(vcpu.read("ID_AA64MMFR0_EL1") & 15n), MAX_PS);
    const parked = linkedAt("parked");
    vcpu.write("VBAR_EL2", linkedAt("vectors"));
    this.#withIdentity([this.boot], () => {
      const x = [BigInt(this.boot.root), MAIR, tcr(ps), SCTLR | sctlr, parked];
      this.#expect("start", this.#call(vcpu, "start", loadedAt(this.imagePa, "start"), x));
    });
  }

  /** The one page of the switch, mapped at its physical address while `work` goes on. */
  #withIdentity(tables: readonly El2Table[], work: () => void): void {
    const [{ mapping }] = sections;
    const mapped: El2Table[] = [];
    try {
      for (const table of tables) {
        table.map(this.imagePa, this.imagePa, PAGE_SIZE, mapping);
        mapped.push(table);
      }
      work();
    } finally {
      for (const table of mapped) table.unmap(this.imagePa, PAGE_SIZE);
    }
  }

  #run(vcpu: VcpuState, symbol: string, x: readonly bigint[], sp?: bigint): void {
    this.#expect(symbol, this.#call(vcpu, symbol, linkedAt(symbol), x, sp));
  }

  #expect(symbol: string, stop: El2Stop): void {
    if (stop.kind === "returned") return;
    const what = stop.kind === "exception" ? `, ESR_EL2 ${hex(stop.esr)}, FAR_EL2 ${hex(stop.far)}` : "";
    throw new Error(`EL2's ${symbol}: ${stop.kind} at ${hex(stop.pc)}${what}`);
  }

  #call(vcpu: VcpuState, routine: string, entry: bigint, x: readonly bigint[], sp?: bigint): El2Stop {
    const { onStep } = this;
    const onInstruction = onStep && ((pc: bigint) => onStep(this.#step(vcpu, routine, pc)));
    const call: El2Call = { entry, x, sp, returnTo: linkedAt("parked"), maxInstructions: MAX_INSTRUCTIONS, onInstruction };
    return this.#parts.engine.runAtEl2!(vcpu, call);
  }

  #step(vcpu: VcpuState, routine: string, pc: bigint): El2Step {
    const ttbr0 = Number(vcpu.read("TTBR0_EL2"));
    if ((vcpu.read("SCTLR_EL2") & SCTLR_M) === 0n) return { routine, pc, mmu: false, ttbr0, pa: Number(pc) };
    const leaf = new El2Table(this.#tableParts(), ttbr0).lookup(Number(pc));
    return { routine, pc, mmu: true, ttbr0, pa: leaf?.mapping.execute ? leaf.pa : undefined };
  }
}
