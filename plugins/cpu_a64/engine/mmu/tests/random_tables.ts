/** Random translation tables and registers for walks. */
import type { MmuFeatures } from "../mod.ts";
import { BANKS, type RegisterName } from "./bench_machine.ts";
import type { Random } from "../../../../../tests/support/random.ts";

/** Where they go. */
export interface TableMachine {
  readonly features: Pick<MmuFeatures, "paBits">;
  /** The whole shared memory. */
  readonly words: Uint32Array;
  /** Host offset of a PA. */
  offset(pa: number): number;
  set(name: RegisterName, value: bigint): void;
}

/** All of RAM as descriptors, so that every pointer into it meets a table. How hostile they are differs per fill. */
export function fillTables(machine: TableMachine, random: Random, granule: number, bigEndian: boolean): void {
  const hostility = random.pick([0.005, 0.02, 0.1]);
  const blocks = random.pick([0.04, 0.2]);
  const align = 2 ** granule;
  const swap = (w: number) => ((w << 24) | ((w & 0xff00) << 8) | ((w >>> 8) & 0xff00) | (w >>> 24)) >>> 0;
  for (const bank of BANKS) {
    const start = machine.offset(bank.base) / 4;
    for (let i = 0; i < bank.size / 4; i += 2) {
      const target = random.pick(BANKS);
      const page = random.below(target.size / align) * align + target.base;
      let lo = (page >>> 0) | (random.u32() & 0xffc) | (random.chance(hostility) ? 0 : 0x440);
      let hi = Math.floor(page / 0x1_0000_0000) | (random.u32() & random.u32() & 0xfff0_0000);
      if (random.chance(0.7)) lo |= 0x3c; // Stage 2 Normal Write-Back; stage 1 index 7.
      lo |= random.chance(blocks) ? 1 : random.chance(hostility) ? 0 : 3;
      if (random.chance(hostility)) hi |= random.u32() & 0xffff;
      if (random.chance(0.5)) hi &= 0x07ff_ffff; // Table attributes would rarely leave a right.
      machine.words[start + i] = bigEndian ? swap(hi >>> 0) : lo >>> 0;
      machine.words[start + i + 1] = bigEndian ? swap(lo >>> 0) : hi >>> 0;
    }
  }
}

function tableBase(random: Random, align: number): bigint {
  const bank = random.pick(BANKS);
  let base = BigInt(bank.base + random.below(bank.size / align) * align);
  if (random.chance(0.02)) base |= random.u64() & 0xffff_ffff_f000n;
  return base | (random.chance(0.1) ? random.u64() & 0xfffn : 0n);
}

/** T0SZ and SL0 that fit, with the alignment of the root, per granule. */
const stage2Roots: Record<number, readonly (readonly [number, number, number])[]> = {
  12: [[24, 1, 8192], [25, 1, 4096], [28, 1, 4096], [26, 1, 4096], [32, 0, 16384], [30, 0, 65536], [20, 2, 4096], [16, 2, 4096]],
  14: [[24, 1, 65536], [28, 1, 16384], [27, 1, 16384], [32, 1, 16384], [17, 2, 16384], [20, 2, 16384], [36, 0, 65536]],
  16: [[24, 1, 65536], [28, 1, 65536], [26, 1, 65536], [32, 1, 65536], [21, 2, 65536], [18, 2, 65536], [36, 0, 0x80000]],
};

/** What translates, mostly so that walks get somewhere. */
export function setRegisters(machine: TableMachine, random: Random, granule: number, bigEndian: boolean): void {
  const tg0 = { 12: 0n, 14: 2n, 16: 1n }[granule]!;
  const tg1 = { 12: 2n, 14: 1n, 16: 3n }[granule]!;
  const other = () => random.chance(0.05);
  const tsz = () => BigInt(other() ? random.below(64) : random.pick([16, 17, 20, 22, 24, 25, 26, 28, 30, 31, 32, 33, 35, 36, 39]));
  const ps = () => BigInt(other() ? random.below(8) : random.pick([1, 2, 4, 5]));
  const sctlr = () =>
    (random.chance(0.95) ? 1n : 0n) | (random.chance(0.2) ? 1n << 19n : 0n) | (random.chance(0.5) ? 1n << 12n : 0n) |
    (bigEndian ? 1n << 25n : 0n);
  const flags = random.u64() & random.u64() & random.u64() & 0x0018_0660_0000_0000n; // TBI, HPD, TBID
  const tcr = tsz() | ((other() ? random.u64() & 3n : tg0) << 14n) | (tsz() << 16n) | ((other() ? random.u64() & 3n : tg1) << 30n) |
    (ps() << 32n) | flags | (random.chance(0.03) ? 1n << 7n : 0n) | (random.chance(0.03) ? 1n << 23n : 0n);
  machine.set("TCR_EL1", tcr);
  machine.set(
    "TCR_EL2",
    tsz() | ((other() ? random.u64() & 3n : tg0) << 14n) | (ps() << 16n) | (random.u64() & random.u64() & 0x2110_0000n),
  );
  machine.set("SCTLR_EL1", sctlr());
  machine.set("SCTLR_EL2", sctlr());
  for (const name of ["TTBR0_EL1", "TTBR1_EL1", "TTBR0_EL2"] as const) {
    machine.set(name, tableBase(random, 2 ** granule) | ((random.u64() & 0xffffn) << 48n));
  }
  machine.set("MAIR_EL1", random.chance(0.5) ? random.u64() : 0xff44_bb0c_0804_00ffn);
  machine.set("MAIR_EL2", random.u64());
  const [t0sz, sl0, rootSize] = random.pick(stage2Roots[granule].filter(([t]) => 64 - t <= machine.features.paBits));
  machine.set(
    "VTCR_EL2",
    BigInt(other() ? random.below(64) : t0sz) | (BigInt(other() ? random.below(4) : sl0) << 6n) |
      ((other() ? random.u64() & 3n : tg0) << 14n) | (ps() << 16n) | (1n << 31n),
  );
  machine.set("VTTBR_EL2", tableBase(random, rootSize) | ((random.u64() & 0xffn) << 48n));
  let hcr = 1n << 31n;
  if (random.chance(0.6)) hcr |= 1n;
  for (const [at, p] of [[2, 0.2], [12, 0.03], [27, 0.03], [32, 0.1], [33, 0.1], [37, 0.1], [46, 0.3]]) {
    if (random.chance(p)) hcr |= 1n << BigInt(at);
  }
  machine.set("HCR_EL2", hcr);
}
