/** For tests: a machine with a real CPU engine, and a watch over what EL2's code does. */
import type { PhysicalBus } from "../../../../core/mod.ts";
import { Ram } from "../../../../core/memory/ram.ts";
import { A64Engine } from "../../../cpu_a64/engine/engine.ts";
import { DTLB_SIZE, ITLB_SIZE } from "../../../cpu_a64/engine/layout.ts";
import { FETCH } from "../../../cpu_a64/engine/mmu/mod.ts";
import { modelByName } from "../../../cpu_a64/sysregs/mod.ts";
import { type El2, type El2Parts, type El2Step, TABLE_OWNER } from "../bring_up.ts";
import { symbols } from "../image.ts";
import { layout } from "../layout.ts";
import { El2Table } from "../table.ts";

/** TLB banks of EL2 with its MMU on. */
const EL2_BANK = 3;

/** RAM and a CPU. */
export class El2World {
  readonly memory: Ram;
  readonly engine: A64Engine;
  readonly parts: El2Parts;

  constructor(
    banks: readonly { readonly at: number; readonly size: number }[],
    model = "max",
    find: PhysicalBus["find"] = () => undefined,
  ) {
    this.memory = new Ram(banks);
    this.engine = new A64Engine({
      memory: this.memory,
      bus: { claim() {}, find },
      model: modelByName(model),
      counterFrequencyHz: 62_500_000,
      smc: "trap",
    });
    this.parts = { memory: this.memory, engine: this.engine, ram: banks };
  }

  /** A table beside EL2's own. */
  table(): El2Table {
    return new El2Table({ memory: this.memory, owner: TABLE_OWNER, invalidate: () => this.engine.invalidateTlb(0) });
  }

  /** Replaces an instruction of the image. */
  patch(el2: El2, routine: string, index: number, word: number): void {
    const pa = el2.imagePa + symbols.get(routine)! + index * 4;
    this.memory.view(pa, 4).set(new Uint8Array(new Uint32Array([word]).buffer));
    this.engine.memoryWritten(pa, 4);
  }

  /** Follows EL2's code, and notes what may not be. It asks the CPU's own MMU, not the tables' software. */
  watch(): Watch {
    return new Watch(this);
  }

  /** Entries of EL2's TLB banks, MMU on. */
  tlbEntries(): number {
    const { tlb, block } = this.engine.cpu;
    let count = 0;
    for (const bank of tlb.banks()) {
      if (bank.mode !== EL2_BANK || bank.vcpu !== this.engine.cpu.vcpu) continue;
      const bytes = block.bytes.subarray(bank.address, bank.address + DTLB_SIZE + ITLB_SIZE);
      for (let at = 0; at < bytes.length; at += 16) if (bytes.subarray(at, at + 8).some((byte) => byte !== 0xff)) count++;
    }
    return count;
  }
}

/** What EL2's code did since it was asked last. */
export class Watch {
  readonly problems: string[] = [];
  /** Other places of the image that are right. */
  readonly copies: number[] = [];
  #steps: El2Step[] = [];
  #last: El2Step | undefined;
  #imagePa: number | undefined;

  constructor(readonly world: El2World) {}

  readonly onStep = (step: El2Step): void => {
    const { cpu } = this.world.engine;
    const note = (what: string) => this.problems.push(`PC ${step.pc.toString(16)}: ${what}`);
    this.#steps.push(step);
    const mapped = cpu.mmu.translate(Number(step.pc >> 32n), Number(step.pc & 0xffff_ffffn), 2, FETCH, 0);
    if (!mapped) note("it isn't mapped");
    else {
      const { pa } = cpu.mmu.result;
      if (pa !== step.pa) note(`it maps to ${pa.toString(16)}, not to ${step.pa?.toString(16)}`);
      // The first instruction of all is at the image's beginning, in physical memory.
      this.#imagePa ??= pa;
      const offset = step.pc >= BigInt(layout.image.at) ? Number(step.pc) - layout.image.at : Number(step.pc) - this.#imagePa;
      if (![this.#imagePa, ...this.copies].includes(pa - offset)) note(`it maps to ${pa.toString(16)}, which isn't the image's`);
    }
    const last = this.#last;
    if (last && last.ttbr0 !== step.ttbr0) {
      if (last.mmu && step.mmu) note("TTBR0_EL2 changed while the MMU was on");
      const entries = this.world.tlbEntries();
      if (entries > 0) note(`${entries} entries of the old table are in the TLB`);
    }
    this.#last = step;
  };

  /** The steps so far, once. */
  take(): El2Step[] {
    const steps = this.#steps;
    this.#steps = [];
    this.#last = undefined;
    return steps;
  }
}
