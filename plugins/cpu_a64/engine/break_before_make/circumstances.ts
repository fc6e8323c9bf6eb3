/** What the rules must know of the machine at the moment of a change. */
import type { CheckedMachine } from "./machine.ts";
import { EL2, type RegimeNumber, STAGE2 } from "./remembered.ts";
import { type Circumstances, type Descriptor, isTable, needsBreak, outputOf, sizeOf } from "./rules.ts";
import { hostOf } from "./walker.ts";

/** Most bytes whose contents are compared. */
const COMPARED = 2 ** 21;

/** For a regime of the present vCPU. */
export function circumstancesOf(machine: CheckedMachine, regime: RegimeNumber): Circumstances {
  const vcpu = machine.vcpu();
  const mair = regime === EL2 ? "MAIR_EL2" : "MAIR_EL1";
  const circumstances: Circumstances = {
    stage: regime === STAGE2 ? 2 : 1,
    mairLo: machine.register(vcpu, mair, 0),
    mairHi: machine.register(vcpu, mair, 1),
    bbmLevel: machine.bbmLevel,
    sameContents: (from, to, size) => sameContents(machine, regime, from, to, size),
    sameTables: (from, to, level) => sameTables(machine, regime, from, to, level, circumstances),
  };
  return circumstances;
}

function sameContents(machine: CheckedMachine, regime: RegimeNumber, from: number, to: number, size: number): boolean {
  if (size > COMPARED) return false;
  const words = machine.words();
  for (let page = 0; page < size; page += 4096) {
    const a = hostOf(machine, regime, from + page), b = hostOf(machine, regime, to + page);
    if (a < 0 || b < 0) return false;
    for (let i = 0; i < 1024; i++) if (words[(a >>> 2) + i] !== words[(b >>> 2) + i]) return false;
  }
  return true;
}

/** Whether two tables of a level (4 KiB granule) differ in nothing that needs a break. */
function sameTables(
  machine: CheckedMachine,
  regime: RegimeNumber,
  from: number,
  to: number,
  level: number,
  circumstances: Circumstances,
): boolean {
  const words = machine.words();
  const a = hostOf(machine, regime, from), b = hostOf(machine, regime, to);
  if (a < 0 || b < 0) return false;
  const entry = (host: number, i: number): Descriptor => {
    const at = (host >>> 2) + i * 2;
    return { lo: words[at] | 0, hi: words[at + 1] | 0, level, vpn: 0, bits: sizeOf(level, 12) };
  };
  for (let i = 0; i < 512; i++) {
    const before = entry(a, i), after = entry(b, i);
    const differ = isTable(before) && isTable(after)
      ? outputOf(before, true) !== outputOf(after, true)
      : needsBreak(before, after, circumstances) !== undefined;
    if (differ) return false;
  }
  return true;
}
