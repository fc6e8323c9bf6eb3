/**
 * A trace of every instruction in the format of Arm's models ("Tarmac Trace"), which Arm's tarmac-trace-utilities read: instructions, what
 * they load and store, what they change in general registers, SP and the flags, and exceptions to EL1. The tick is a nanosecond.
 */
import type { Vcpu } from "../../core/mod.ts";
import type { Filter, TarmacKind } from "./filter.ts";
import type { Listener } from "./probe.ts";
import { abortedLines, hexAddress, memoryLines, prepare } from "./tarmac_memory.ts";
import type { Machinery, Prepared } from "./tarmac_memory.ts";
import type { TextFile } from "./text_file.ts";

/** Where a vCPU was before an instruction. */
interface Before {
  readonly pc: bigint;
  readonly mode: string;
  readonly level: number;
  readonly text: string;
  readonly word: number | undefined;
  /** X0 to X30, and the SP in use. */
  readonly registers: readonly bigint[];
  readonly flags: bigint;
  readonly elr: bigint;
  /** SP_EL1, in use or not. */
  readonly handlerSp: bigint;
  /** What the instruction is going to access. */
  readonly accesses: readonly Prepared[];
  /** An interrupt comes first. */
  readonly isInterrupted: boolean;
  /** EL2 handles an exception. */
  readonly isAtEl2: boolean;
  readonly retired: number;
}

/** Vectors by their offset from VBAR_EL1. Arm ARM DDI 0487, "Exception vectors". */
const origins = ["CURRENT_SP0", "CURRENT_SPx", "LOWER_64", "LOWER_32"];
const exceptions = ["SYNC", "IRQ", "FIQ", "SERR"];

/** Data aborts, from EL0 and from EL1. Arm ARM DDI 0487, "ESR_EL1", EC. */
const DATA_ABORTS = [0x24n, 0x25n];

/** Writes one. */
export class Tarmac implements Listener {
  readonly every = 1;
  readonly #before = new Map<Vcpu, Before>();
  #count = 0;

  constructor(readonly file: TextFile, readonly filter: Filter, readonly machinery: () => Machinery) {}

  before(vcpu: Vcpu, atNs: number): void {
    const trapped = this.#before.get(vcpu);
    const now = this.#look(vcpu);
    this.#before.set(vcpu, now);
    // The hypervisor has done what an instruction asked for, unless that comes again.
    if (trapped?.isAtEl2 && now.pc !== trapped.pc) this.#executed(vcpu, atNs, trapped, now);
  }

  step(vcpu: Vcpu, atNs: number): void {
    const before = this.#before.get(vcpu);
    if (before === undefined) return;
    const after = this.#look(vcpu);
    const isTrapped = after.isAtEl2 && after.pc === before.pc;
    this.#before.set(vcpu, isTrapped ? { ...before, isAtEl2: true } : { ...after, isAtEl2: false });
    if (!isTrapped && (after.pc !== before.pc || after.retired !== before.retired)) this.#executed(vcpu, atNs, before, after);
  }

  /** Ends the file. */
  close(): void {
    this.file.close();
  }

  #executed(vcpu: Vcpu, atNs: number, before: Before, after: Before): void {
    // CPUs that take turns may begin in the middle of a nanosecond.
    const who = `${Math.floor(atNs)} clk cpu${vcpu.id}`;
    const vector = vectorOf(vcpu, before, after);
    if (vector?.isFirst) {
      this.#exception(who, before, after, vector.at, vector.offset);
      const registers = before.registers.with(31, before.handlerSp);
      const word = this.#wordAt(vcpu, vector.at);
      this.#instruction(who, vector.at, word, after.mode, disassembly(vcpu, vector.at, word));
      this.#memory(who, memoryLines(this.machinery(), vcpu, this.#accesses(vcpu, vector.at, word, registers), { registers }, after));
    } else {
      this.#instruction(who, before.pc, before.word, before.mode, before.text);
      if (!vector) this.#memory(who, memoryLines(this.machinery(), vcpu, before.accesses, before, after));
      else if (DATA_ABORTS.includes(vcpu.state.read("ESR_EL1") >> 26n & 0x3fn)) this.#memory(who, abortedLines(before.accesses));
    }
    before.registers.forEach((value, n) => {
      const name = n === 31 ? `SP_EL${after.level === 0 ? 0 : 1}` : `X${n}`;
      if (after.registers[n] !== value && (n < 31 || after.level === before.level)) this.#register(who, name, after.registers[n]);
    });
    if (after.flags !== before.flags) this.#line("registers", `${who} R cpsr ${after.flags.toString(16).padStart(8, "0")}`);
    if (vector && !vector.isFirst) this.#exception(who, before, after, vector.at, vector.offset);
  }

  #look(vcpu: Vcpu): Before {
    const { state } = vcpu;
    const isAtEl2 = (state.pstate >> 2n & 3n) === 2n;
    const pstate = isAtEl2 ? state.read("SPSR_EL2") : state.pstate;
    const level = Number(pstate >> 2n & 3n);
    const isMasked = (pstate >> 7n & 1n) !== 0n;
    const registers = [...Array.from({ length: 31 }, (_, n) => state.x(n)), state.guestSp];
    const word = this.#wordAt(vcpu, state.pc);
    return {
      pc: state.pc,
      level,
      mode: `EL${level}${(pstate & 1n) !== 0n ? "h" : "t"}_n`,
      text: disassembly(vcpu, state.pc, word),
      word,
      registers,
      flags: pstate & 0xffff_ffffn,
      elr: state.read("ELR_EL1"),
      handlerSp: (pstate & 0xfn) === 5n ? registers[31] : state.read("SP_EL1"),
      accesses: this.#accesses(vcpu, state.pc, word, registers),
      isInterrupted: !isMasked && state.wakeupPending(),
      isAtEl2,
      retired: state.retired,
    };
  }

  /** The instruction at an address, as a load would find it. */
  #wordAt(vcpu: Vcpu, va: bigint): number | undefined {
    const { cpus, memory } = this.machinery();
    const pa = cpus.translate?.(vcpu.state, va, false)?.pa;
    if (pa === undefined) return undefined;
    try {
      const bytes = memory.view(pa, 4);
      return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    } catch {
      return undefined; // It isn't RAM.
    }
  }

  #accesses(vcpu: Vcpu, pc: bigint, word: number | undefined, registers: readonly bigint[]): readonly Prepared[] {
    return word === undefined || !this.filter.writes("memory") ? [] : prepare(this.machinery(), vcpu, word, pc, registers);
  }

  #instruction(who: string, at: bigint, word: number | undefined, mode: string, text: string): void {
    this.#count++;
    this.#line("instructions", `${who} IT (${this.#count}) ${hexAddress(at)} ${code(word)} O ${mode} : ${text}`);
  }

  #memory(who: string, lines: readonly string[]): void {
    for (const line of lines) this.#line("memory", `${who} ${line}`);
  }

  #exception(who: string, before: Before, after: Before, at: bigint, offset: number): void {
    const name = `CoreEvent_${origins[offset >>> 9]}_${exceptions[offset >>> 7 & 3]}`;
    const code = (0x80 + (offset >>> 7)).toString(16).padStart(8, "0");
    this.#line("exceptions", `${who} E ${hexAddress(before.pc)} ${code} ${name}`);
    this.#register(who, "ELR_EL1", after.elr);
    this.#register(who, "VBAR_EL1", at - BigInt(offset));
  }

  #register(who: string, name: string, value: bigint): void {
    this.#line("registers", `${who} R ${name} ${value.toString(16).padStart(16, "0")}`);
  }

  #line(kind: TarmacKind, text: string): void {
    if (this.filter.writes(kind)) this.file.write(`${text}\n`);
  }
}

/** Whether a vector of EL1 was entered: by the instruction, or before it. */
function vectorOf(
  vcpu: Vcpu,
  before: Before,
  after: Before,
): { readonly at: bigint; readonly offset: number; readonly isFirst: boolean } | undefined {
  if (after.level !== 1 || after.elr === before.elr && !before.isInterrupted) return undefined;
  const base = vcpu.state.read("VBAR_EL1");
  const offset = Number(BigInt.asUintN(64, after.pc - base));
  const from = before.level === 0 ? 0x400 : before.mode.startsWith("EL1h") ? 0x200 : 0;
  if (before.isInterrupted && after.elr === before.pc) return { at: base + BigInt(from + 0x80), offset: from + 0x80, isFirst: true };
  return offset === from ? { at: after.pc, offset, isFirst: false } : undefined;
}

/** An instruction's text. */
function disassembly({ state }: Vcpu, at: bigint, word: number | undefined): string {
  return word === undefined ? "not readable" : state.disassemble(at) ?? "not mapped";
}

const code = (word: number | undefined) => word === undefined ? "????????" : word.toString(16).padStart(8, "0");
