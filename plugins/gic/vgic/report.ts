/** For people: what a vCPU's GIC has pending or active, and why it isn't taken. */
import { Vmcr } from "./ich.ts";
import { rowIndex, wordIndex } from "./state.ts";
import type { Vgic } from "./vgic.ts";

/** Interrupts that a report names. */
const MOST = 8;
/** ICH_VMCR_EL2.VPMR. */
const PRIORITY_MASK_SHIFT = 24n;

/** A line for each interrupt that is pending or active on a vCPU; the first few of them. */
export function interruptReport(gic: Vgic, v: number): string[] {
  const { state } = gic;
  const lines: string[] = [];
  let more = 0;
  for (let word = 0; word < state.words; word++) {
    const row = rowIndex(state, v, word);
    const pending = gic.pendingBits(v, word) & (word === 0 ? -1 : state.target[row]);
    for (let rest = pending | state.active[row]; rest !== 0; rest &= rest - 1) {
      const bit = 31 - Math.clz32(rest & -rest);
      if (lines.length < MOST) lines.push(describe(gic, v, word, bit, (pending >>> bit & 1) !== 0, (state.active[row] >>> bit & 1) !== 0));
      else more++;
    }
  }
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

function describe(gic: Vgic, v: number, word: number, bit: number, isPending: boolean, isActive: boolean): string {
  const { state } = gic;
  const w = wordIndex(state, v, word);
  const intid = word * 32 + bit;
  const kind = intid < 16 ? "SGI" : intid < 32 ? "PPI" : "SPI";
  const what = [...isActive ? ["active"] : [], ...isPending ? ["pending"] : []].join(" and ");
  const why = isPending && !isActive ? obstacles(gic, v, w, bit) : [];
  return `INTID ${intid} (${kind}) ${what}, priority 0x${state.priority[w * 32 + bit].toString(16)}${
    why.map((text) => `, ${text}`).join("")
  }`;
}

/** What keeps a pending interrupt from its vCPU, PSTATE aside. */
function obstacles(gic: Vgic, v: number, w: number, bit: number): string[] {
  const { state } = gic;
  const vmcr = gic.vcpus[v].state.read("ICH_VMCR_EL2");
  const group = state.group[w] >>> bit & 1;
  const mask = Number(vmcr >> PRIORITY_MASK_SHIFT & 0xffn);
  const found: string[] = [];
  if ((state.enable[w] >>> bit & 1) === 0) found.push("not enabled");
  if ((state.control >>> group & 1) === 0) found.push(`group ${group} is off in the distributor`);
  if (state.asleep[v] !== 0) found.push("the redistributor sleeps");
  if ((vmcr & BigInt(group === 0 ? Vmcr.VENG0 : Vmcr.VENG1)) === 0n) found.push(`group ${group} is off in the CPU interface`);
  if (state.priority[w * 32 + bit] >= mask) found.push(`masked by the CPU interface's priority mask 0x${mask.toString(16)}`);
  return found;
}
