/** Programs that change live translation table entries in every forbidden way, and in every allowed one. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  ACCESSED,
  argument,
  at,
  BIG,
  BLOCK,
  CONTIGUOUS,
  DATA,
  DBM,
  dsb,
  el2Invalidate,
  el2Write,
  GLOBAL,
  on,
  OTHER,
  PAGE,
  PXN,
  read,
  READ_ONLY,
  run,
  S2_BLOCK,
  S2_PAGE,
  setTtbr0,
  type Step,
  TABLE,
  table,
  tlbi,
  word,
  write,
} from "./tests/table_machine.ts";

interface Row {
  readonly name: string;
  readonly steps: readonly Step[];
  /** What is missing, and for which change; none: silent. */
  readonly found?: readonly string[];
  readonly model?: string;
  readonly stage2?: boolean;
}

const VA = 0x1000;
const ENTRY = at("L3", 1);
const HERE = DATA + 0x1000n, THERE = OTHER + 0x1000n;
const NO = 0n;
/** Breaks and invalidates as it should be done. */
const clean = (entry = ENTRY, va = VA): Step[] => [write(entry, NO), dsb(), tlbi("vae1is", argument(va)), dsb()];
const EXECUTE_NEVER = 1n << 54n;

/** A page that was live, replaced at once: which changes need the break. */
const changes: readonly { name: string; from: bigint; to: bigint; reason?: string }[] = [
  { name: "another page", from: HERE | PAGE, to: THERE | PAGE, reason: "output address" },
  { name: "a read-only page becomes another one, writable", from: HERE | PAGE | READ_ONLY, to: THERE | PAGE, reason: "output address" },
  { name: "a writable page becomes another one, read-only", from: HERE | PAGE, to: THERE | PAGE | READ_ONLY, reason: "output address" },
  {
    name: "a read-only page becomes another one with other contents",
    from: OTHER | PAGE | READ_ONLY,
    to: HERE | PAGE | READ_ONLY,
    reason: "output address",
  },
  { name: "a read-only page becomes its copy", from: HERE | PAGE | READ_ONLY, to: HERE + 0x1000n | PAGE | READ_ONLY },
  {
    name: "a page that hardware may make writable becomes its copy",
    from: HERE | PAGE | READ_ONLY | DBM,
    to: HERE + 0x1000n | PAGE | READ_ONLY,
    reason: "output address",
  },
  { name: "Device memory", from: HERE | PAGE, to: HERE | PAGE | 1n << 2n, reason: "memory type" },
  { name: "Non-cacheable memory", from: HERE | PAGE, to: HERE | PAGE | 2n << 2n, reason: "memory type" },
  { name: "non-shareable", from: HERE | PAGE, to: HERE | PAGE & ~0x300n, reason: "shareability" },
  { name: "Device memory's shareability, which says nothing", from: HERE | PAGE | 1n << 2n, to: (HERE | PAGE | 1n << 2n) & ~0x300n },
  { name: "contiguous", from: HERE | PAGE, to: HERE | PAGE | CONTIGUOUS, reason: "contiguous hint" },
  { name: "no longer contiguous", from: HERE | PAGE | CONTIGUOUS, to: HERE | PAGE, reason: "contiguous hint" },
  { name: "global", from: HERE | PAGE, to: (HERE | PAGE) & ~GLOBAL, reason: "non-global to global" },
  { name: "non-global", from: (HERE | PAGE) & ~GLOBAL, to: HERE | PAGE },
  { name: "read-only", from: HERE | PAGE, to: HERE | PAGE | READ_ONLY },
  { name: "writable", from: HERE | PAGE | READ_ONLY, to: HERE | PAGE },
  { name: "never executable", from: HERE | PAGE, to: HERE | PAGE | PXN | EXECUTE_NEVER },
  { name: "for EL0", from: HERE | PAGE, to: HERE | PAGE | 1n << 6n },
  { name: "software's bits", from: HERE | PAGE, to: HERE | PAGE | 7n << 55n },
  { name: "not accessed", from: HERE | PAGE, to: (HERE | PAGE) & ~ACCESSED },
  { name: "the same", from: HERE | PAGE, to: HERE | PAGE },
];

const rows: Row[] = [
  ...changes.map(({ name, from, to, reason }) => ({
    name: `replaced while live: ${name}`,
    steps: [...clean(), write(ENTRY, from), dsb(), read(VA), write(ENTRY, to), dsb()],
    found: reason ? [`break: ${reason}`] : [],
  })),
  ...changes.filter(({ reason }) => reason).map(({ name, from, to }) => ({
    name: `with break-before-make: ${name}`,
    steps: [...clean(), write(ENTRY, from), dsb(), read(VA), ...clean(), write(ENTRY, to), dsb(), read(VA)],
  })),
  ...(["str", "stxr", "stp", "swp"] as const).map((by) => ({
    name: `stored by ${by}`,
    model: "max",
    steps: [read(VA), write(ENTRY, THERE | PAGE, by), dsb()],
    found: ["break: output address"],
  })),
  {
    name: "live although nobody read through it: its neighbour was",
    steps: [read(0x2000), write(ENTRY, THERE | PAGE)],
    found: ["break: output address"],
  },
  {
    name: "TLBI instead of a break",
    steps: [read(VA), tlbi("vae1is", argument(VA)), dsb(), write(ENTRY, THERE | PAGE)],
    found: ["break: output address"],
  },
  {
    name: "break, no TLBI",
    steps: [read(VA), write(ENTRY, NO), dsb(), write(ENTRY, THERE | PAGE)],
    found: ["invalidation: output address"],
  },
  {
    name: "break, no TLBI, although nobody read: a walk could have come before the break",
    steps: [read(0x2000), write(ENTRY, NO), dsb(), write(ENTRY, THERE | PAGE)],
    found: ["invalidation: output address"],
  },
  {
    name: "break, no TLBI, and the same again",
    steps: [read(VA), write(ENTRY, NO), dsb(), write(ENTRY, HERE | PAGE | READ_ONLY), read(VA)],
  },
  {
    name: "TLBI before the break",
    steps: [read(VA), tlbi("vae1is", argument(VA)), dsb(), write(ENTRY, NO), dsb(), write(ENTRY, THERE | PAGE)],
    found: ["invalidation: output address"],
  },
  {
    name: "no DSB between break and TLBI",
    steps: [read(VA), write(ENTRY, NO), tlbi("vae1is", argument(VA)), dsb(), write(ENTRY, THERE | PAGE)],
    found: ["barrier: output address"],
  },
  {
    name: "a DSB for loads between break and TLBI",
    steps: [read(VA), write(ENTRY, NO), dsb("ishld"), tlbi("vae1is", argument(VA)), dsb(), write(ENTRY, THERE | PAGE)],
    found: ["barrier: output address"],
  },
  {
    name: "a DSB for stores is enough between break and TLBI",
    steps: [read(VA), write(ENTRY, NO), dsb("ishst"), tlbi("vae1is", argument(VA)), dsb(), write(ENTRY, THERE | PAGE), read(VA)],
  },
  {
    name: "no DSB after the TLBI",
    steps: [read(VA), write(ENTRY, NO), dsb(), tlbi("vae1is", argument(VA)), write(ENTRY, THERE | PAGE)],
    found: ["barrier: output address"],
  },
  {
    name: "a DSB for stores after the TLBI",
    steps: [read(VA), write(ENTRY, NO), dsb(), tlbi("vae1is", argument(VA)), dsb("ishst"), write(ENTRY, THERE | PAGE)],
    found: ["barrier: output address"],
  },
  {
    name: "a DSB of this CPU alone after a TLBI that is broadcast",
    steps: [read(VA), write(ENTRY, NO), dsb(), tlbi("vae1is", argument(VA)), dsb("nsh"), write(ENTRY, THERE | PAGE)],
    found: ["barrier: output address"],
  },
  ...([["sy"], ["osh"]] as const).map(([kind]) => ({
    name: `DSB ${kind}`,
    steps: [read(VA), write(ENTRY, NO), dsb(kind), tlbi("vae1is", argument(VA)), dsb(kind), write(ENTRY, THERE | PAGE)],
  })),
  ...([
    ["vae1is", argument(VA)],
    ["vale1is", argument(VA)],
    ["vaae1is", argument(VA, 9n)],
    ["vaale1is", argument(VA, 9n)],
    ["aside1is", 1n << 48n],
    ["vmalle1is", 0n],
    // BaseADDR 0, NUM 3, SCALE 0: 8 pages of 4 KiB.
    ["rvae1is", 1n << 48n | 1n << 46n | 3n << 39n],
  ] as const).map(([name, x]) => ({
    name: `${name} covers it`,
    model: "max",
    steps: [read(VA), on(1), read(VA), on(0), write(ENTRY, NO), dsb(), tlbi(name, x), dsb(), write(ENTRY, THERE | PAGE), read(VA)],
  })),
  ...([
    ["vae1is", argument(0x2000), "another VA"],
    ["vae1is", argument(VA, 2n), "another ASID"],
    ["aside1is", 2n << 48n, "another ASID, all of it"],
    // BaseADDR 2.
    ["rvae1is", 1n << 48n | 1n << 46n | 3n << 39n | 2n, "a range that begins behind it"],
  ] as const).map(([name, x, what]) => ({
    name: `${name} of ${what}`,
    model: "max",
    steps: [read(VA), write(ENTRY, NO), dsb(), tlbi(name, x), dsb(), write(ENTRY, THERE | PAGE)],
    found: ["invalidation: output address"],
  })),
  {
    name: "a TLBI of this CPU alone, and another holds it",
    steps: [on(1), read(VA), on(0), read(VA), write(ENTRY, NO), dsb(), tlbi("vae1", argument(VA)), dsb(), write(ENTRY, THERE | PAGE)],
    found: ["invalidation: output address"],
  },
  {
    name: "a TLBI of this CPU alone, and another had dropped it before, but could walk again",
    steps: [
      on(1),
      read(VA),
      tlbi("vmalle1"),
      dsb("nsh"),
      on(0),
      read(VA),
      write(ENTRY, NO),
      dsb(),
      tlbi("vae1", argument(VA)),
      dsb("nsh"),
      write(ENTRY, THERE | PAGE),
    ],
    found: ["invalidation: output address"],
  },
  {
    name: "a TLBI by each CPU",
    steps: [
      on(1),
      read(VA),
      on(0),
      read(VA),
      write(ENTRY, NO),
      dsb(),
      tlbi("vae1", argument(VA)),
      dsb("nsh"),
      on(1),
      tlbi("vmalle1"),
      dsb("nsh"),
      on(0),
      write(ENTRY, THERE | PAGE),
    ],
  },
  {
    name: "a global entry: a TLBI by ASID doesn't take it",
    steps: [
      ...clean(),
      write(ENTRY, (HERE | PAGE) & ~GLOBAL),
      dsb(),
      read(VA),
      write(ENTRY, NO),
      dsb(),
      tlbi("aside1is", 1n << 48n),
      dsb(),
      write(ENTRY, (THERE | PAGE) & ~GLOBAL),
    ],
    found: ["invalidation: output address"],
  },
  {
    name: "an invalid entry becomes valid",
    steps: [read(VA), write(at("L3", 100), THERE | PAGE), dsb(), read(100 * 4096)],
  },
  {
    name: "an entry that was never accessed becomes another",
    steps: [...clean(), write(ENTRY, (HERE | PAGE) & ~ACCESSED), dsb(), write(ENTRY, THERE | PAGE), read(VA)],
  },
  // Sizes.
  { name: "a block becomes a table", steps: [read(0x20_0000), write(at("L2", 1), table("otherL3") | TABLE)], found: ["break: block size"] },
  { name: "a table becomes a block", steps: [read(VA), write(at("L2", 0), DATA | BLOCK)], found: ["break: block size"] },
  {
    name: "a block becomes a table with break-before-make",
    steps: [read(0x20_0000), ...clean(at("L2", 1), 0x20_0000), write(at("L2", 1), table("otherL3") | TABLE), dsb(), read(0x20_0000)],
  },
  {
    name: "a table becomes a block; a TLBI for one page of sixteen",
    steps: [read(VA), read(0x3000), ...clean(at("L2", 0)), write(at("L2", 0), DATA | BLOCK), dsb(), read(0x3000)],
    found: ["invalidation: block size"],
  },
  {
    name: "a table becomes a block; a TLBI for everything",
    steps: [
      read(VA),
      read(0x3000),
      write(at("L2", 0), NO),
      dsb(),
      tlbi("aside1is", 1n << 48n),
      dsb(),
      write(at("L2", 0), DATA | BLOCK),
      dsb(),
      read(0x3000),
    ],
  },
  {
    name: "a block to another place",
    steps: [read(0x20_0000), write(at("L2", 1), BIG + 0x20_0000n | BLOCK)],
    found: ["break: output address"],
  },
  // Tables.
  {
    name: "another table with other pages",
    steps: [write(at("otherL3", 5), THERE | PAGE), read(VA), write(at("L2", 0), table("otherL3") | TABLE)],
    found: ["break: next table"],
  },
  { name: "another table with the same pages", steps: [read(VA), write(at("L2", 0), table("otherL3") | TABLE), dsb(), read(VA)] },
  { name: "a table's hierarchical permissions", steps: [read(VA), write(at("L2", 0), table("L3") | TABLE | 1n << 59n), read(VA)] },
  {
    name: "another table, of whose old one a TLBI of the last level left the way",
    steps: [
      write(at("otherL3", 1), THERE | PAGE),
      read(VA),
      write(at("L2", 0), NO),
      dsb(),
      tlbi("vale1is", argument(VA)),
      dsb(),
      write(at("L2", 0), table("otherL3") | TABLE),
    ],
    found: ["invalidation: next table"],
  },
  {
    name: "another table with break-before-make",
    steps: [
      write(at("otherL3", 1), THERE | PAGE),
      read(VA),
      ...clean(at("L2", 0)),
      write(at("L2", 0), table("otherL3") | TABLE),
      dsb(),
      read(VA),
    ],
  },
  {
    name: "a table that nothing in force leads to any more is memory like any other",
    steps: [
      read(VA),
      write(at("L2", 0), NO),
      dsb(),
      tlbi("vmalle1is"),
      dsb(),
      write(ENTRY, THERE | PAGE),
      write(at("L3", 2), THERE | PAGE),
      write(at("L2", 0), table("L3") | TABLE),
      dsb(),
      read(VA),
    ],
  },
  {
    name: "a table changes while it is cut off, and TLBs still hold its page",
    steps: [
      read(VA),
      write(at("L2", 0), NO),
      dsb(),
      write(ENTRY, THERE | PAGE),
      write(at("L2", 0), table("L3") | TABLE),
      dsb(),
      read(VA),
    ],
    found: ["invalidation: output address"],
  },
  // Base registers.
  {
    name: "TTBR0_EL1 with other pages for the same ASID",
    steps: [write(at("otherL3", 1), THERE | PAGE), read(VA), ...setTtbr0(table("otherL1") | 1n << 48n), read(0x3000)],
    // The way there has changed as well.
    found: ["invalidation: next table", "invalidation: output address", "invalidation: next table"],
  },
  {
    name: "TTBR0_EL1 with other pages and another ASID",
    steps: [write(at("otherL3", 1), THERE | PAGE), read(VA), ...setTtbr0(table("otherL1") | 2n << 48n), read(VA)],
    // The identity block is the same in both.
  },
  {
    name: "TTBR0_EL1 with other pages after a TLBI",
    steps: [
      write(at("otherL3", 1), THERE | PAGE),
      read(VA),
      ...setTtbr0(table("otherL1") | 2n << 48n),
      tlbi("aside1is", 1n << 48n),
      dsb(),
      ...setTtbr0(table("otherL1") | 1n << 48n),
      read(VA),
    ],
  },
  // Stage 2, EL2's.
  {
    name: "stage 2: another page",
    stage2: true,
    steps: [read(VA), el2Write(at("SL3", 1), THERE | S2_PAGE)],
    found: ["break: output address"],
  },
  {
    name: "stage 2: another memory type",
    stage2: true,
    steps: [read(VA), el2Write(at("SL3", 1), (HERE | S2_PAGE) & ~0x3cn)],
    found: ["break: memory type"],
  },
  { name: "stage 2: read-only", stage2: true, steps: [read(VA), el2Write(at("SL3", 1), (HERE | S2_PAGE) & ~0x80n)] },
  {
    name: "stage 2: a break without invalidation",
    stage2: true,
    steps: [read(VA), el2Write(at("SL3", 1), NO), el2Write(at("SL3", 1), THERE | S2_PAGE)],
    found: ["invalidation: output address"],
  },
  {
    name: "stage 2: a break with invalidation",
    stage2: true,
    steps: [read(VA), el2Write(at("SL3", 1), NO), el2Invalidate, el2Write(at("SL3", 1), THERE | S2_PAGE), read(VA)],
  },
  {
    name: "stage 2: the guest's TLBI is not EL2's",
    stage2: true,
    steps: [read(VA), el2Write(at("SL3", 1), NO), dsb(), tlbi("vmalle1is"), dsb(), el2Write(at("SL3", 1), THERE | S2_PAGE)],
    found: ["invalidation: output address"],
  },
  {
    name: "stage 2: a table becomes a block",
    stage2: true,
    steps: [read(VA), el2Write(at("SL2", 1), DATA | S2_BLOCK)],
    found: ["break: block size"],
  },
  {
    name: "stage 2: the guest's own tables are checked through it",
    stage2: true,
    steps: [read(VA), write(ENTRY, THERE | PAGE)],
    found: ["break: output address"],
  },
  { name: "data", steps: [read(VA), word(0xf900_0001), word(0xf900_0001, BIG)] },
];

for (const { name, steps, found = [], model, stage2 } of rows) {
  Deno.test(`break before make: ${name}`, () => {
    const outcome = run(steps, { model, stage2 });
    assertEquals(outcome.found, found, outcome.lines.join("\n"));
  });
}

Deno.test("break before make: the report names the entry, both values, and the store", () => {
  const { lines, stores, violations } = run([read(VA), write(ENTRY, THERE | PAGE | READ_ONLY)]);
  assertEquals(lines.length, 1);
  assertEquals(violations[0].writer?.pcLo, stores[0]);
  for (
    const text of [
      "VA 0x1000, EL1&0, VMID 0, ASID 1, level 3: change of output address",
      "a live entry was replaced by another valid one",
      "Was 0x40201f03 (level 3 page of 4 KiB to 0x40201000, attributes 0xff, inner shareable, writable, non-global)",
      "is 0x40401f83 (level 3 page of 4 KiB to 0x40401000, attributes 0xff, inner shareable, read-only, non-global)",
      `at PA 0x${ENTRY.toString(16)}, written by vCPU 0 at PC 0x${stores[0].toString(16)}`,
    ]
  ) assertStringIncludes(lines[0], text);
});

Deno.test("break before make: EL2's writes carry no PC, and say whose table it is", () => {
  const { lines } = run([read(VA), el2Write(at("SL3", 1), THERE | S2_PAGE)], { stage2: true });
  assertStringIncludes(lines[0], "IPA 0x40201000, stage 2, VMID 7, level 3");
  assertStringIncludes(lines[0], "written by EL2 (");
});

Deno.test("break before make: a guest that repeats its mistake fills no memory, and is reported once", () => {
  const twice: Step[] = [write(ENTRY, THERE | PAGE), write(ENTRY, HERE | PAGE)];
  // On one PC: a loop of two stores. MOV X9, #2000; the stores; SUBS X9, X9, #1; B.NE.
  const outcome = run([read(VA), ...Array.from({ length: 100 }, () => twice).flat()]);
  assertEquals(outcome.violations.length, 64);
  assert(outcome.lines.length <= 200);
});
