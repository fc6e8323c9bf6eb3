/** The rules by FEAT_BBM's level, and what a running program's rows can't say. */
import { assertEquals } from "@std/assert";
import { type Circumstances, type Descriptor, isCacheable, needsBreak, type Reason } from "./rules.ts";

const PAGE = 0xf03, BLOCK = 0xf01, TABLE = 3, NT = 1 << 16;
const HI_CONTIGUOUS = 1 << 20;

function entry(lo: number, level = 3, vpn = 0, hi = 0): Descriptor {
  return { lo, hi, level, vpn, bits: 39 - 9 * level };
}

const circumstances = (bbmLevel: number, stage: 1 | 2 = 1): Circumstances => ({
  stage,
  // Attribute 0 Write-Back, 1 Device-nGnRnE, 2 Write-Back as well, 3 Write-Back with tags.
  mairLo: 0xf0ff_00ff | 0,
  mairHi: 0,
  bbmLevel,
  sameContents: () => false,
  sameTables: () => false,
});

const MIB2 = 0x20_0000, HERE = 0x4020_0000;
const rows: readonly [name: string, before: Descriptor, after: Descriptor, byLevel: readonly (Reason | undefined)[]][] = [
  ["block to table", entry(HERE | BLOCK, 2), entry(0x1000 | TABLE, 2), ["block size", "block size", undefined]],
  ["block with nT to table", entry(HERE | BLOCK | NT, 2), entry(0x1000 | TABLE, 2), ["block size", undefined, undefined]],
  ["table to block with nT", entry(0x1000 | TABLE, 2), entry(HERE | BLOCK | NT, 2), ["block size", undefined, undefined]],
  ["block to its own page", entry(HERE | BLOCK, 2), entry(HERE + 0x3000 | PAGE, 3, 3), ["block size", "block size", undefined]],
  [
    "block to a page of another place",
    entry(HERE | BLOCK, 2),
    entry(HERE + MIB2 | PAGE, 3, 3),
    ["block size", "block size", "output address"],
  ],
  ["page to the block around it", entry(HERE + 0x3000 | PAGE, 3, 3), entry(HERE | BLOCK, 2), ["block size", "block size", undefined]],
  [
    "block to a page of another type",
    entry(HERE | BLOCK, 2),
    entry(HERE + 0x3000 | PAGE | 4, 3, 3),
    ["block size", "block size", "memory type"],
  ],
  ["contiguous", entry(HERE | PAGE), entry(HERE | PAGE, 3, 0, HI_CONTIGUOUS), ["contiguous hint", "contiguous hint", undefined]],
  ["another place", entry(HERE | PAGE), entry(HERE + 0x1000 | PAGE), ["output address", "output address", "output address"]],
  ["another index of the same type", entry(HERE | PAGE), entry(HERE | PAGE | 8), [undefined, undefined, undefined]],
  ["tags", entry(HERE | PAGE), entry(HERE | PAGE | 12), [undefined, undefined, undefined]],
  ["invalid", entry(HERE | PAGE), entry(0), [undefined, undefined, undefined]],
  ["from invalid", entry(HERE & ~1), entry(HERE + MIB2 | PAGE), [undefined, undefined, undefined]],
  ["reserved at level 3", entry(HERE | BLOCK), entry(HERE + MIB2 | PAGE), [undefined, undefined, undefined]],
];

for (const [name, before, after, byLevel] of rows) {
  Deno.test(`break-before-make rules: ${name}`, () => {
    assertEquals([0, 1, 2].map((level) => needsBreak(before, after, circumstances(level))), byLevel);
  });
}

Deno.test("break-before-make rules: stage 2 has its own attributes, and no global entries", () => {
  const page = HERE | 0x7ff;
  const check = (after: number) => needsBreak(entry(page), entry(after), circumstances(0, 2));
  assertEquals(check(page & ~0x3c), "memory type");
  assertEquals(check(page ^ 0x100), "shareability");
  assertEquals(check(page & ~0xc0), undefined, "rights");
  assertEquals(check(page ^ 1 << 11), undefined, "bit 11 isn't nG");
});

Deno.test("break-before-make rules: what a TLB can hold", () => {
  assertEquals(isCacheable(entry(HERE | PAGE)), true);
  assertEquals(isCacheable(entry(HERE | PAGE & ~0x400)), false, "access flag clear");
  assertEquals(isCacheable(entry(TABLE, 1)), true);
  assertEquals(isCacheable(entry(BLOCK, 0)), false, "no blocks at level 0");
  assertEquals(isCacheable(entry(HERE | PAGE - 1)), false, "invalid");
});
