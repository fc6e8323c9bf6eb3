/**
 * Our CPU as the oracle's counterpart: a physical CPU that runs at EL0 with the
 * same code page and data window mapped, and nothing else. Every exception goes to
 * EL1's vectors, which hand it to EL2 by HVC, so that a run ends with it.
 */
import type { Exit, PhysicalBus } from "../../core/mod.ts";
import { Ram } from "../../core/memory/ram.ts";
import type { Cpu } from "../../plugins/cpu_a64/engine/cpu.ts";
import type { Tier1Mode } from "../../plugins/cpu_a64/engine/tier1/tier1.ts";
import { A64Engine } from "../../plugins/cpu_a64/engine/engine.ts";
import * as at from "../../plugins/cpu_a64/state.ts";
import { type CpuModel, modelByName, registerOffset } from "../../plugins/cpu_a64/sysregs/mod.ts";
import { type Case, type Ending, type Engine, Registers, type Result, type Written } from "../support/case.ts";
import { BRK, CODE, CODE_PAGE, CODE_WORDS, WINDOW, WINDOW_SIZE } from "../support/layout.ts";

/** 2 MiB of RAM, VA = PA, that hold all; the vectors and tables lie behind the window. */
const BASE = 0x1200_0000, SIZE = 0x20_0000;
const VECTORS = BASE + 0x10_0000;
const TABLES = BASE + 0x11_0000;
const HVC = 0xd4000002;
const PAGE = 0x1000;

/** Stage 1 descriptors: table, page with AF, inner shareable, MAIR index 0; AP[1], AP[2], UXN, PXN. */
const TABLE = 3n;
const PAGE_ENTRY = 3n | 1n << 10n | 3n << 8n;
const USER = 1n << 6n, READ_ONLY = 1n << 7n, UXN = 1n << 54n, PXN = 1n << 53n;

const EC = { hvc: 0x16, sysreg: 0x18, instructionAbort: 0x20, pcAlignment: 0x22, dataAbort: 0x24, spAlignment: 0x26, brk: 0x3c };
const ALIGNMENT_FAULT = 0x21;

/** Most instructions of one case. */
const BUDGET = 10_000;

const noDevices: PhysicalBus = {
  claim() {
    throw new Error("no devices here");
  },
  find: () => undefined,
};

const offsets = {
  SP_EL0: registerOffset("SP_EL0"),
  ELR_EL1: registerOffset("ELR_EL1"),
  SPSR_EL1: registerOffset("SPSR_EL1"),
  ESR_EL1: registerOffset("ESR_EL1"),
  ELR_EL2: registerOffset("ELR_EL2"),
  SPSR_EL2: registerOffset("SPSR_EL2"),
  ESR_EL2: registerOffset("ESR_EL2"),
};

/** Runs cases on the interpreter. */
export class BareMachine implements Engine {
  readonly name = "plugboard";
  readonly cpu: Cpu;
  readonly #ram = new Ram([{ at: BASE, size: SIZE }]);
  readonly #window: Uint32Array;
  readonly #code: Uint32Array;
  readonly #codeHost: number;
  #memory: Uint8Array | undefined;
  #pristine = new Uint32Array();
  #dirty = true;

  constructor(model: CpuModel = modelByName("max"), tier1: Tier1Mode = "off") {
    const engine = new A64Engine({ memory: this.#ram, bus: noDevices, model, counterFrequencyHz: 1_000_000_000, smc: "undefined", tier1 });
    this.cpu = engine.cpu;
    this.#window = this.#words(WINDOW, WINDOW_SIZE);
    this.#code = this.#words(CODE, (CODE_WORDS + 1) * 4);
    this.#codeHost = this.#ram.banks[0].hostOffset + CODE - BASE;
    this.#words(CODE_PAGE, PAGE).fill(BRK);
    this.#words(VECTORS, PAGE).fill(HVC);
    this.#mapPages();
    this.#enterUserMode(engine);
  }

  #words(address: number, size: number): Uint32Array {
    const { buffer, byteOffset } = this.#ram.view(address, size);
    return new Uint32Array(buffer, byteOffset, size / 4);
  }

  /** Four levels of tables: the three pages of EL0, and the vectors for EL1. */
  #mapPages(): void {
    const index = (level: number) => Math.floor(BASE / 2 ** (39 - 9 * level)) % 512;
    const put = (table: number, entry: number, value: bigint) => this.#ram.write64(TABLES + table * PAGE + entry * 8, value);
    for (let level = 0; level < 3; level++) put(level, index(level), BigInt(TABLES + (level + 1) * PAGE) | TABLE);
    const page = (address: number, attributes: bigint) => put(3, (address - BASE) / PAGE, BigInt(address) | PAGE_ENTRY | attributes);
    page(CODE_PAGE, USER | PXN);
    for (let address = WINDOW; address < WINDOW + WINDOW_SIZE; address += PAGE) page(address, USER | UXN | PXN);
    page(VECTORS, READ_ONLY | UXN);
  }

  /** The vCPU's system registers as Linux has them for user programs. */
  #enterUserMode(engine: A64Engine): void {
    const vcpu = engine.createVcpu({ mpidr: 0n });
    const write = (name: string, value: bigint) => vcpu.write(name, value);
    write("HCR_EL2", 1n << 31n); // RW
    write("CPACR_EL1", 3n << 20n); // FPEN
    write("CPTR_EL2", 0x33ffn & ~(1n << 10n));
    write("MAIR_EL1", 0xffn); // Normal, write-back
    write("TCR_EL1", 16n | 3n << 12n | 5n << 8n | 5n << 32n | 1n << 37n | 1n << 23n); // T0SZ 16, cacheable, 48 bits, TBI0, EPD1
    write("TTBR0_EL1", BigInt(TABLES));
    write("VBAR_EL1", BigInt(VECTORS));
    // M, C, I, DZE, UCT, UCI, RES1 bits and SPAN; no checks of stack alignment, as Linux has it for EL0 with QEMU.
    write("SCTLR_EL1", 0x30d0_0800n | 1n | 1n << 2n | 1n << 12n | 1n << 14n | 1n << 15n | 1n << 26n);
  }

  run(cases: readonly Case[]): Result[] {
    return cases.map((test) => this.#runCase(test));
  }

  #runCase(test: Case): Result {
    const { cpu } = this;
    const { block } = cpu;
    this.#placeMemory(test);
    this.#placeCode(test);
    const { bytes } = test.registers;
    for (let n = 0; n < 31; n++) block.bytes.set(bytes.subarray(8 * n, 8 * n + 8), block.address + at.x(n));
    block.bytes.set(bytes.subarray(bytes.length - 512), block.address + at.V);
    block.set(at.FPCR, test.registers.fpcr);
    block.set(at.FPSR, test.registers.fpsr);
    block.set64(offsets.SP_EL0, test.registers.sp);
    block.set64(offsets.ELR_EL2, BigInt(CODE));
    block.set64(offsets.SPSR_EL2, BigInt(test.registers.nzcv) << 28n);
    // As if EL2 had been entered with its own stack pointer.
    block.set(at.EL, 2);
    block.set(at.SPSEL, 1);
    let exit: Exit | undefined;
    let error: string | undefined;
    try {
      exit = cpu.run({ budget: BUDGET, startNs: 0, nsPerInstruction: 1 });
      if (exit.kind !== "exception") error = `exit ${exit.kind}`;
    } catch (thrown) {
      error = (thrown as Error).stack;
    }
    const registers = new Registers();
    for (let n = 0; n < 31; n++) registers.bytes.set(block.bytes.subarray(block.address + at.x(n), block.address + at.x(n) + 8), 8 * n);
    registers.bytes.set(block.bytes.subarray(block.address + at.V, block.address + at.V + 512), registers.bytes.length - 512);
    registers.sp = block.get64(offsets.SP_EL0);
    registers.fpcr = block.get(at.FPCR);
    registers.fpsr = block.get(at.FPSR);
    registers.nzcv = block.get(offsets.SPSR_EL1) >>> 28;
    const viaVector = exit?.kind === "exception" && block.get(offsets.ESR_EL2) >>> 26 === EC.hvc;
    return {
      ending: viaVector ? endingOf(block.get(offsets.ESR_EL1)) : "other",
      pc: block.get64(offsets.ELR_EL1),
      registers,
      written: this.#written(),
      error,
    };
  }

  #placeMemory({ memory }: Case): void {
    if (memory !== this.#memory) {
      this.#memory = memory;
      this.#pristine = new Uint32Array(memory.slice().buffer);
      this.#dirty = true;
    }
    if (this.#dirty) this.#window.set(this.#pristine);
    this.#dirty = false;
  }

  #placeCode({ code }: Case): void {
    for (let i = 0; i <= CODE_WORDS; i++) {
      const word = code[i] ?? BRK;
      if (this.#code[i] === word) continue;
      this.#code[i] = word;
      this.cpu.code.written(this.#codeHost + i * 4, 4);
    }
  }

  #written(): Written[] {
    const window = this.#window, before = this.#pristine;
    const written: Written[] = [];
    for (let i = 0; i < before.length; i += 2) {
      if (window[i] === before[i] && window[i + 1] === before[i + 1]) continue;
      written.push({ offset: i * 4, value: BigInt(window[i + 1]) << 32n | BigInt(window[i]) });
      this.#dirty = true;
    }
    return written;
  }
}

function endingOf(esr: number): Ending {
  switch (esr >>> 26) {
    case EC.brk:
      return "BRK";
    case 0:
    case EC.sysreg:
      return "UNDEFINED";
    case EC.instructionAbort:
      return "abort";
    case EC.dataAbort:
      return (esr & 0x3f) === ALIGNMENT_FAULT ? "alignment" : "abort";
    case EC.pcAlignment:
    case EC.spAlignment:
      return "alignment";
    default:
      return "other";
  }
}
