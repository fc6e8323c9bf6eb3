/**
 * A trace of every instruction in the format of Arm's models ("Tarmac Trace"), which Arm's tarmac-trace-utilities read: instructions, what
 * they change in general registers, SP and the flags, and exceptions to EL1. There are no lines for memory. The tick is a nanosecond.
 */
import type { Vcpu } from "../../core/mod.ts";
import type { Listener } from "./probe.ts";
import type { TextFile } from "./text_file.ts";

/** Where a vCPU was before an instruction. */
interface Before {
  readonly pc: bigint;
  readonly mode: string;
  readonly level: number;
  readonly text: string;
  readonly word: number | undefined;
  readonly registers: readonly bigint[];
  readonly flags: bigint;
  readonly elr: bigint;
  /** An interrupt comes first. */
  readonly isInterrupted: boolean;
}

/** Vectors by their offset from VBAR_EL1. Arm ARM DDI 0487, "Exception vectors". */
const origins = ["CURRENT_SP0", "CURRENT_SPx", "LOWER_64", "LOWER_32"];
const exceptions = ["SYNC", "IRQ", "FIQ", "SERR"];

/** Writes one. */
export class Tarmac implements Listener {
  readonly every = 1;
  readonly #before = new Map<Vcpu, Before>();
  #count = 0;

  constructor(readonly file: TextFile, readonly wordAt: (vcpu: Vcpu, va: bigint) => number | undefined) {}

  before(vcpu: Vcpu, _atNs: number): void {
    this.#before.set(vcpu, this.#look(vcpu));
  }

  step(vcpu: Vcpu, atNs: number): void {
    const before = this.#before.get(vcpu);
    if (before === undefined) return;
    const after = this.#look(vcpu);
    this.#before.set(vcpu, after);
    const who = `${atNs} clk cpu${vcpu.id}`;
    const vector = vectorOf(vcpu, before, after);
    if (vector?.isFirst) {
      this.#exception(who, before, after, vector.at, vector.offset);
      this.#instruction(who, vcpu, vector.at, after);
    } else {
      this.#line(`${who} IT (${++this.#count}) ${address(before.pc)} ${code(before.word)} O ${before.mode} : ${before.text}`);
    }
    before.registers.forEach((value, n) => {
      const name = n === 31 ? `SP_EL${after.level === 0 ? 0 : 1}` : `X${n}`;
      if (after.registers[n] !== value && (n < 31 || after.level === before.level)) this.#register(who, name, after.registers[n]);
    });
    if (after.flags !== before.flags) this.#line(`${who} R cpsr ${after.flags.toString(16).padStart(8, "0")}`);
    if (vector && !vector.isFirst) this.#exception(who, before, after, vector.at, vector.offset);
  }

  /** Ends the file. */
  close(): void {
    this.file.close();
  }

  #look(vcpu: Vcpu): Before {
    const { state } = vcpu;
    const isAtEl2 = (state.pstate >> 2n & 3n) === 2n;
    const pstate = isAtEl2 ? state.read("SPSR_EL2") : state.pstate;
    const level = Number(pstate >> 2n & 3n);
    const isMasked = (pstate >> 7n & 1n) !== 0n;
    return {
      pc: state.pc,
      level,
      mode: `EL${level}${(pstate & 1n) !== 0n ? "h" : "t"}_n`,
      text: disassembly(vcpu),
      word: this.wordAt(vcpu, state.pc),
      registers: [...Array.from({ length: 31 }, (_, n) => state.x(n)), state.guestSp],
      flags: pstate & 0xffff_ffffn,
      elr: state.read("ELR_EL1"),
      isInterrupted: !isMasked && state.wakeupPending(),
    };
  }

  /** The instruction at a vector that an interrupt led to: it was not known before the run. */
  #instruction(who: string, vcpu: Vcpu, at: bigint, { mode }: Before): void {
    this.#line(
      `${who} IT (${++this.#count}) ${address(at)} ${code(this.wordAt(vcpu, at))} O ${mode} : ${vcpu.state.disassemble(at) ?? "?"}`,
    );
  }

  #exception(who: string, before: Before, after: Before, at: bigint, offset: number): void {
    const name = `CoreEvent_${origins[offset >>> 9]}_${exceptions[offset >>> 7 & 3]}`;
    this.#line(`${who} E ${address(before.pc)} ${(0x80 + (offset >>> 7)).toString(16).padStart(8, "0")} ${name}`);
    this.#register(who, "ELR_EL1", after.elr);
    this.#register(who, "VBAR_EL1", at - BigInt(offset));
  }

  #register(who: string, name: string, value: bigint): void {
    this.#line(`${who} R ${name} ${value.toString(16).padStart(16, "0")}`);
  }

  #line(text: string): void {
    this.file.write(`${text}\n`);
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

function disassembly(vcpu: Vcpu): string {
  try {
    return vcpu.state.disassemble(vcpu.state.pc) ?? "not mapped";
  } catch {
    return "not readable";
  }
}

const address = (va: bigint) => va.toString(16).padStart(va >> 32n === 0n ? 8 : 16, "0");
const code = (word: number | undefined) => word === undefined ? "????????" : word.toString(16).padStart(8, "0");
