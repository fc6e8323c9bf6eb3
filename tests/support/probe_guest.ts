/**
 * A guest that does what a test tells it, step by step, at EL1 with the MMU off: loads, stores and calls, with what came of each. So that a test
 * in TypeScript can be a guest. An exception skips its instruction, and is the step's result.
 */
import { assert } from "@std/assert";
import type { Domain, Machine } from "../../mod.ts";

/** First address of the guest's RAM. */
export const PROBE_RAM = 0x4000_0000;
/** Where it is loaded and entered. */
export const PROBE_LOAD = PROBE_RAM + 0x8_0000;
/** Where it looks for its steps. */
const STEPS = PROBE_RAM + 0x10_0000;
/** Arguments and results of calls; code. */
const SCRATCH = PROBE_RAM + 0x18_0000;
/** Free for tests, to the end of the RAM. */
export const PROBE_FREE = PROBE_RAM + 0x20_0000;
/** Set in a result that is an ESR_EL1. */
export const FAULT = 1n << 63n;

const VECTORS = 0x800;
/** Vector of synchronous exceptions at EL1 with its own stack pointer. */
const SYNCHRONOUS = 0x200;

/** With the assembler's text: one test assembles it. */
export const probeSource: readonly (readonly [word: number, text: string])[] = [
  [0x1000_0001, "start: adr x1, start"],
  [0x9120_0021, "add x1, x1, #0x800"],
  [0xd518_c001, "msr vbar_el1, x1"],
  [0xd2a0_0602, "mov x2, #0x300000"],
  [0xd518_1042, "msr cpacr_el1, x2"],
  [0xd503_3fdf, "isb"],
  [0xd2a8_0213, "movz x19, #0x4010, lsl #16"],
  [0x1400_0031, "b next"],
  [0x3900_02b6, "op1: strb w22, [x21]"],
  [0x1400_0036, "b done"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0x7900_02b6, "op2: strh w22, [x21]"],
  [0x1400_0032, "b done"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0xb900_02b6, "op3: str w22, [x21]"],
  [0x1400_002e, "b done"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0xf900_02b6, "op4: str x22, [x21]"],
  [0x1400_002a, "b done"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0x3940_02b6, "op5: ldrb w22, [x21]"],
  [0x1400_0026, "b done"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0x7940_02b6, "op6: ldrh w22, [x21]"],
  [0x1400_0022, "b done"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0xb940_02b6, "op7: ldr w22, [x21]"],
  [0x1400_001e, "b done"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0xf940_02b6, "op8: ldr x22, [x21]"],
  [0x1400_001a, "b done"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0x1400_001a, "op9: b call"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0xf800_86b6, "op10: str x22, [x21], #8"],
  [0xeb17_02bf, "cmp x21, x23"],
  [0x54ff_ffc3, "b.lo op10"],
  [0x1400_0010, "b done"],
  [0xd503_207f, "op11: wfi"],
  [0x1400_000e, "b done"],
  [0xd503_201f, "nop"],
  [0xd503_201f, "nop"],
  [0xaa16_03e0, "op12: mov x0, x22"],
  [0xd63f_02a0, "blr x21"],
  [0xaa00_03f6, "mov x22, x0"],
  [0x1400_0008, "b done"],
  [0xa940_5674, "next: ldp x20, x21, [x19]"],
  [0xa941_5e76, "ldp x22, x23, [x19, #16]"],
  [0xb400_03b4, "cbz x20, end"],
  [0x10ff_f9b8, "adr x24, op1"],
  [0xd100_0694, "sub x20, x20, #1"],
  [0x8b14_1318, "add x24, x24, x20, lsl #4"],
  [0xd61f_0300, "br x24"],
  [0xf900_0e76, "done: str x22, [x19, #24]"],
  [0x9100_8273, "add x19, x19, #32"],
  [0x17ff_fff7, "b next"],
  [0xa940_06a0, "call: ldp x0, x1, [x21]"],
  [0xa941_0ea2, "ldp x2, x3, [x21, #16]"],
  [0xa942_16a4, "ldp x4, x5, [x21, #32]"],
  [0xa943_1ea6, "ldp x6, x7, [x21, #48]"],
  [0xa944_26a8, "ldp x8, x9, [x21, #64]"],
  [0xa945_2eaa, "ldp x10, x11, [x21, #80]"],
  [0xa946_36ac, "ldp x12, x13, [x21, #96]"],
  [0xa947_3eae, "ldp x14, x15, [x21, #112]"],
  [0xa948_46b0, "ldp x16, x17, [x21, #128]"],
  [0xd400_0002, "hvc #0"],
  [0xa900_06a0, "stp x0, x1, [x21]"],
  [0xa901_0ea2, "stp x2, x3, [x21, #16]"],
  [0xa902_16a4, "stp x4, x5, [x21, #32]"],
  [0xa903_1ea6, "stp x6, x7, [x21, #48]"],
  [0xa904_26a8, "stp x8, x9, [x21, #64]"],
  [0xa905_2eaa, "stp x10, x11, [x21, #80]"],
  [0xa906_36ac, "stp x12, x13, [x21, #96]"],
  [0xa907_3eae, "stp x14, x15, [x21, #112]"],
  [0xa908_46b0, "stp x16, x17, [x21, #128]"],
  [0xaa00_03f6, "mov x22, x0"],
  [0x17ff_ffe9, "b done"],
  [0xd280_0036, "end: mov x22, #1"],
  [0xf900_0e76, "str x22, [x19, #24]"],
  [0xd503_207f, "rest: wfi"],
  [0x17ff_ffff, "b rest"],
];
/** Where exceptions go. */
export const probeHandler: readonly (readonly [word: number, text: string])[] = [
  [0xd538_5216, "mrs x22, esr_el1"],
  [0xb241_02d6, "orr x22, x22, #0x8000000000000000"],
  [0xd538_403a, "mrs x26, elr_el1"],
  [0x9100_135a, "add x26, x26, #4"],
  [0xd518_403a, "msr elr_el1, x26"],
  [0xd69f_03e0, "eret"],
];

/** The raw image. */
export const probeImage: Uint8Array = (() => {
  const words = new Uint32Array((VECTORS + SYNCHRONOUS) / 4 + probeHandler.length);
  words.set(probeSource.map(([word]) => word));
  words.set(probeHandler.map(([word]) => word), (VECTORS + SYNCHRONOUS) / 4);
  return new Uint8Array(words.buffer);
})();

/** What it looks like in a manifest: with `images: probeImages`. */
export const probeBoot = `{ use: linux_boot, kernel: probe.bin, format: raw, load: 0x${PROBE_LOAD.toString(16)}, entry: 0x${
  PROBE_LOAD.toString(16)
} }`;
/** For `boot`. */
export const probeImages: ReadonlyMap<string, Uint8Array> = new Map([["probe.bin", probeImage]]);

const STORE = { 1: 1, 2: 2, 4: 3, 8: 4 } as const;
const LOAD = { 1: 5, 2: 6, 4: 7, 8: 8 } as const;
const [CALL, FILL, WAIT, RUN] = [9, 10, 11, 12];
type Width = keyof typeof LOAD;

/** Steps. Each method returns the number of its step, by which {@linkcode result} knows it. */
export class Probe {
  readonly #steps: bigint[] = [];
  #scratch = SCRATCH;
  /** Where a step's call has its registers. */
  readonly #calls = new Map<number, number>();
  readonly #blocks: { readonly at: number; readonly bytes: Uint8Array }[] = [];

  store(width: Width, at: number, value: number | bigint): number {
    return this.#step(STORE[width], at, value);
  }

  load(width: Width, at: number): number {
    return this.#step(LOAD[width], at, 0);
  }

  /** Fills from an address to another with 64-bit words. */
  fill(from: number, to: number, value: bigint): number {
    return this.#step(FILL, from, value, BigInt(to));
  }

  /** WFI. */
  wait(): number {
    return this.#step(WAIT, 0, 0);
  }

  /** HVC #0 with X0 and on; those that aren't given hold numbers of their own. {@linkcode registers} tells what came back. */
  call(...x: (number | bigint)[]): number {
    const all = Array.from({ length: 18 }, (_, n) => BigInt.asUintN(64, BigInt(x[n] ?? 0x1111_0000 + n)));
    const at = this.#block(new Uint8Array(BigUint64Array.from(all).buffer));
    const step = this.#step(CALL, at, 0);
    this.#calls.set(step, at);
    return step;
  }

  /** Runs instructions of the test's own, with X0; the result is X0. They may use all registers but X19 to X26, and X30 to return. */
  run(words: readonly number[], x0: number | bigint = 0): number {
    const RET = 0xd65f_03c0;
    return this.#step(RUN, this.#block(new Uint8Array(Uint32Array.from([...words, RET]).buffer)), x0);
  }

  /** Writes the steps to the guest's memory: before its first instruction. */
  place(domain: Domain): void {
    for (const { at, bytes } of this.#blocks) domain.writeMemory(at, bytes);
    domain.writeMemory(STEPS, new Uint8Array(BigUint64Array.from([...this.#steps, 0n, 0n, 0n, 0n]).buffer));
  }

  /** For a guest that has done other steps already: its first vCPU powers up anew. */
  restart(domain: Domain): void {
    domain.vcpus[0].stop();
    this.place(domain);
    domain.vcpus[0].start(BigInt(PROBE_LOAD), 0n);
  }

  /** True when all is done. */
  isDone(domain: Domain): boolean {
    return word(domain, STEPS + 8 * this.#steps.length + 24) === 1n;
  }

  /** Lets the machine run until all is done. */
  finish(machine: Machine, domain: Domain, limitNs = 1e9): void {
    const endNs = machine.nowNs + limitNs;
    while (!this.isDone(domain)) {
      assert(domain.outcome === undefined, `the guest ended: ${JSON.stringify(domain.outcome)}`);
      assert(machine.nowNs < endNs, `the guest isn't done: ${machine.describe()}`);
      const stopped = machine.runFor(100_000, Infinity)?.kind === "idle-forever" || machine.waiting && machine.wakeAfterMs === undefined;
      assert(!stopped || this.isDone(domain), `nothing happens any more: ${machine.describe()}`);
    }
  }

  /** What was loaded, X0 of a call or of code; an ESR_EL1 with {@linkcode FAULT}. */
  result(domain: Domain, step: number): bigint {
    return word(domain, STEPS + 32 * step + 24);
  }

  /** X0 to X17 after a call. */
  registers(domain: Domain, step: number): bigint[] {
    const at = this.#calls.get(step)!;
    return Array.from({ length: 18 }, (_, n) => word(domain, at + 8 * n));
  }

  #block(bytes: Uint8Array): number {
    const at = this.#scratch;
    this.#scratch += Math.ceil(bytes.length / 16) * 16;
    assert(this.#scratch < PROBE_FREE, "too many calls");
    this.#blocks.push({ at, bytes });
    return at;
  }

  #step(operation: number, at: number, value: number | bigint, end = 0n): number {
    this.#steps.push(BigInt(operation), BigInt(at), BigInt.asUintN(64, BigInt(value)), end);
    assert(STEPS + 8 * this.#steps.length < SCRATCH - 64, "too many steps");
    return this.#steps.length / 4 - 1;
  }
}

function word(domain: Domain, at: number): bigint {
  return new DataView(domain.readMemory(at, 8).buffer).getBigUint64(0, true);
}
