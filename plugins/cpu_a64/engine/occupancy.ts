/** Which vCPU a physical CPU has in its block, and how another one gets there. */
import type { Accesses } from "./accesses.ts";
import type { Block } from "./block.ts";
import type { TranslationContext } from "./context.ts";
import type { Occupant } from "./cpu_options.ts";
import type { DebugUnit } from "./debug.ts";
import type { ExceptionUnit } from "./exceptions.ts";
import type { Mmu } from "./mmu/mod.ts";
import type { Tlb } from "./tlb.ts";

/** The parts of a CPU that know of it. */
export interface OccupancyParts {
  readonly block: Block;
  readonly stateSize: number;
  readonly accesses: Accesses;
  readonly context: TranslationContext;
  readonly debug: DebugUnit;
  readonly exceptions: ExceptionUnit;
  readonly mmu: Mmu;
  readonly tlb: Tlb;
}

/** The vCPU in the block. */
export class Occupancy {
  inside: Occupant | undefined;
  /** The block is another machine's. */
  #isOver = false;

  constructor(readonly parts: OccupancyParts) {}

  /** Puts a vCPU's registers into the block, and those of the one before where they are kept. */
  enter(vcpu: Occupant): void {
    if (this.#isOver) throw new Error("the machine is gone, and its vCPUs' registers with it");
    const { block: { bytes, address }, accesses, context, debug, exceptions } = this.parts;
    accesses.checker?.entered(vcpu.number, vcpu.saved);
    this.#save();
    bytes.set(vcpu.saved, address);
    this.inside = vcpu;
    exceptions.loop.reset();
    if (vcpu.loop) exceptions.loop.load(vcpu.loop);
    context.enter(vcpu.number);
    debug.update();
  }

  /** Another thread has put a vCPU's registers into the block. Nothing of what was known of them before may be true. */
  adopt(number: number, retired: number): void {
    const { context, debug, mmu, tlb } = this.parts;
    this.inside = { number, retired, saved: NOWHERE };
    context.enter(number);
    mmu.mpu?.changed();
    mmu.mpu?.controlsChanged();
    if (debug.update()) tlb.invalidate((bank) => bank.vcpu === number);
  }

  /** The block is free: whoever is in it is kept elsewhere. */
  vacate(): void {
    this.#save();
    this.inside = undefined;
  }

  /** The machine is gone: nobody enters any more. */
  end(): void {
    this.inside = undefined;
    this.#isOver = true;
  }

  /** The vCPU is gone. */
  leave(vcpu: Occupant): void {
    if (this.inside === vcpu) this.inside = undefined;
  }

  #save(): void {
    const { block: { bytes, address }, stateSize, context, exceptions } = this.parts;
    if (this.inside === undefined) return;
    if (this.inside.loop) this.inside.loop = exceptions.loop.save();
    context.settle();
    this.inside.saved.set(bytes.subarray(address, address + stateSize));
  }
}

const NOWHERE = new Uint8Array(0);
