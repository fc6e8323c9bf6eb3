/** Finds guests that will never do anything again although they run: all that is left of them is an empty loop that no interrupt ends. */
import type { Domain, Vcpu } from "./domain.ts";
import type { FrameSources } from "./backtrace.ts";
import { guestPstate } from "./report.ts";

/** Instructions of such a loop at most. */
const LONGEST = 8;
/** PSTATE.I and F. */
const INTERRUPTS_MASKED = 0b11n << 6n;
/** NOP, YIELD, WFE, WFI, SEV, SEVL: hints that change no register. Arm ARM DDI 0487, "Hints". */
const HINT = 0xd503_201f, HINT_MASK = 0xffff_ff1f;
/** B, unconditional: "B", imm26 in words. */
const BRANCH = 0x1400_0000, BRANCH_MASK = 0xfc00_0000;

/** True when at least one vCPU runs, and every one that isn't off is in such a loop. */
export function runsInVain(domains: readonly Domain[], sources: FrameSources): boolean {
  const alive = domains.filter(({ outcome }) => outcome === undefined).flatMap(({ vcpus }) => vcpus).filter(({ power }) => power !== "off");
  return alive.length > 0 && alive.every((vcpu) => vcpu.power === "runnable" && loopsInVain(vcpu, sources));
}

function loopsInVain(vcpu: Vcpu, { engine, memory }: FrameSources): boolean {
  if ((guestPstate(vcpu) & INTERRUPTS_MASKED) !== INTERRUPTS_MASKED) return false;
  const seen = new Set<bigint>();
  let pc = vcpu.state.pc;
  while (!seen.has(pc)) {
    if (seen.size === LONGEST) return false;
    seen.add(pc);
    const pa = engine.translate?.(vcpu.state, pc, false)?.pa;
    if (pa === undefined) return false;
    let word: number;
    try {
      const bytes = memory.view(pa, 4);
      word = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    } catch {
      return false; // It executes what isn't RAM.
    }
    if ((word & HINT_MASK) >>> 0 === HINT) pc += 4n;
    else if ((word & BRANCH_MASK) >>> 0 === BRANCH) pc = BigInt.asUintN(64, pc + BigInt(word << 6 >> 4));
    else return false;
  }
  return true;
}
