import { assert, assertEquals, assertThrows } from "@std/assert";
import { GicCpuInterface } from "./gic_cpu_interface.ts";

const NAMES = ["ICH_HCR_EL2", "ICH_VMCR_EL2", "ICH_VTR_EL2", "ICH_AP0R0_EL2", "ICH_AP1R0_EL2"];
for (let n = 0; n < 16; n++) NAMES.push(`ICH_LR${n}_EL2`);

type State = "invalid" | "pending" | "active" | "both";
const states: Record<State, bigint> = { invalid: 0n, pending: 1n, active: 2n, both: 3n };

interface Entry {
  intid: number;
  priority?: number;
  state?: State;
  group?: 0 | 1;
  eoi?: boolean;
  hw?: number;
}

function lr({ intid, priority = 0xa0, state = "pending", group = 1, eoi = false, hw }: Entry): bigint {
  return BigInt(intid) | (eoi ? 1n << 41n : 0n) | (hw === undefined ? 0n : 1n << 61n | BigInt(hw) << 32n) | BigInt(priority) << 48n |
    BigInt(group) << 60n | states[state] << 62n;
}

/** An interface that is switched on, both groups enabled, everything passing the mask. */
function machine(entries: Entry[] = [], count = 16) {
  const words = new Uint32Array(0x100);
  words[0x80 / 4 + 2 * 2] = 0x9020_0000 | (count - 1);
  const gic = new GicCpuInterface(() => words, (name) => 0x80 + 8 * NAMES.indexOf(name));
  gic.writeRegister("ICH_HCR_EL2", 1n);
  gic.writeRegister("ICC_PMR_EL1", 0xf8n);
  gic.writeRegister("ICC_IGRPEN0_EL1", 1n);
  gic.writeRegister("ICC_IGRPEN1_EL1", 1n);
  entries.forEach((entry, n) => gic.writeRegister(`ICH_LR${n}_EL2`, lr(entry)));
  const read = (name: string) => Number(gic.readRegister(name));
  const write = (name: string, value: number) => gic.writeRegister(name, BigInt(value));
  const state = (n: number) => Number(gic.readRegister(`ICH_LR${n}_EL2`) >> 62n);
  return { gic, read, write, state };
}

Deno.test("gic: acknowledge takes the highest priority, end of interrupt drops it and deactivates", () => {
  const { gic, read, write, state } = machine([{ intid: 40, priority: 0xa0 }, { intid: 41, priority: 0x80 }]);
  assert(gic.virtualIrqPending());
  assertEquals(read("ICC_HPPIR1_EL1"), 41);
  assertEquals(read("ICC_IAR1_EL1"), 41);
  assertEquals([state(1), read("ICC_RPR_EL1"), read("ICC_AP1R0_EL1")], [2, 0x80, 1 << 16]);
  assertEquals([gic.virtualIrqPending(), read("ICC_IAR1_EL1")], [false, 1023]);
  write("ICC_EOIR1_EL1", 41);
  assertEquals([state(1), read("ICC_RPR_EL1")], [0, 0xff]);
  assertEquals(read("ICC_IAR1_EL1"), 40);
});

Deno.test("gic: preemption nests, and ends nest", () => {
  const { gic, read, write } = machine([{ intid: 40, priority: 0xa0 }]);
  assertEquals(read("ICC_IAR1_EL1"), 40);
  gic.writeRegister("ICH_LR1_EL2", lr({ intid: 41, priority: 0x40 }));
  assert(gic.virtualIrqPending());
  assertEquals([read("ICC_IAR1_EL1"), read("ICC_RPR_EL1")], [41, 0x40]);
  write("ICC_EOIR1_EL1", 41);
  assertEquals(read("ICC_RPR_EL1"), 0xa0);
  write("ICC_EOIR1_EL1", 40);
  assertEquals(read("ICC_RPR_EL1"), 0xff);
});

Deno.test("gic: interrupts end in the wrong order too", () => {
  const { read, write, state } = machine([{ intid: 40, priority: 0xa0 }, { intid: 41, priority: 0x40, state: "invalid" }]);
  read("ICC_IAR1_EL1");
  write("ICH_AP1R0_EL2", 1 << 20 | 1 << 8);
  write("ICC_EOIR1_EL1", 40);
  assertEquals([state(0), read("ICC_RPR_EL1")], [0, 0xa0]);
});

const maskRows: [name: string, pmr: number, priority: number, passes: boolean][] = [
  ["above the mask", 0xa0, 0x98, true],
  ["equal to the mask", 0xa0, 0xa0, false],
  ["below the mask", 0xa0, 0xa8, false],
  ["unimplemented bits of the mask don't count", 0xa7, 0xa0, false],
  ["unimplemented bits of the priority don't count", 0xa8, 0xa7, true],
  ["nothing passes 0", 0x00, 0x00, false],
];
for (const [name, pmr, priority, passes] of maskRows) {
  Deno.test(`gic: PMR: ${name}`, () => {
    const { gic, read, write } = machine([{ intid: 40, priority }]);
    write("ICC_PMR_EL1", pmr);
    assertEquals(read("ICC_PMR_EL1"), pmr & 0xf8);
    assertEquals(gic.virtualIrqPending(), passes);
    assertEquals(read("ICC_HPPIR1_EL1"), 40);
    assertEquals(read("ICC_IAR1_EL1"), passes ? 40 : 1023);
  });
}

const bprRows: [name: string, bpr1: number, running: number, priority: number, preempts: boolean][] = [
  ["binary point 3: five bits count", 3, 0x88, 0x80, true],
  ["binary point 4: the last bit doesn't", 4, 0x88, 0x80, false],
  ["binary point 4: the others do", 4, 0x90, 0x80, true],
  ["binary point 7: one bit", 7, 0xf0, 0x80, false],
  ["binary point 7: over the half", 7, 0x80, 0x78, true],
];
for (const [name, bpr1, running, priority, preempts] of bprRows) {
  Deno.test(`gic: ${name}`, () => {
    const { gic, read, write } = machine([{ intid: 40, priority: running }]);
    write("ICC_BPR1_EL1", bpr1);
    assertEquals(read("ICC_IAR1_EL1"), 40);
    gic.writeRegister("ICH_LR1_EL2", lr({ intid: 41, priority }));
    assertEquals(gic.virtualIrqPending(), preempts);
  });
}

Deno.test("gic: binary points have a minimum, and CBPR makes group 1 use group 0's", () => {
  const { read, write } = machine();
  write("ICC_BPR0_EL1", 0);
  write("ICC_BPR1_EL1", 0);
  assertEquals([read("ICC_BPR0_EL1"), read("ICC_BPR1_EL1")], [2, 3]);
  write("ICC_BPR0_EL1", 5);
  write("ICC_CTLR_EL1", 1);
  assertEquals(read("ICC_BPR1_EL1"), 6);
  write("ICC_BPR1_EL1", 3);
  assertEquals(read("ICC_BPR1_EL1"), 6);
  write("ICC_BPR0_EL1", 7);
  assertEquals(read("ICC_BPR1_EL1"), 7);
});

Deno.test("gic: group 0 is signalled as FIQ, and each group has its own registers", () => {
  const { gic, read, write } = machine([{ intid: 40, group: 0, priority: 0x80 }, { intid: 41, priority: 0xa0 }]);
  assertEquals([gic.virtualFiqPending(), gic.virtualIrqPending()], [true, false]);
  assertEquals([read("ICC_IAR1_EL1"), read("ICC_HPPIR1_EL1"), read("ICC_HPPIR0_EL1")], [1023, 1023, 40]);
  assertEquals([read("ICC_IAR0_EL1"), read("ICC_AP0R0_EL1")], [40, 1 << 16]);
  write("ICC_EOIR1_EL1", 40); // the wrong group: ignored
  assertEquals(read("ICC_RPR_EL1"), 0x80);
  write("ICC_EOIR0_EL1", 40);
  write("ICC_IGRPEN1_EL1", 0);
  assertEquals([gic.virtualIrqPending(), read("ICC_IAR1_EL1")], [false, 1023]);
  write("ICC_IGRPEN1_EL1", 1);
  assert(gic.virtualIrqPending());
});

Deno.test("gic: EOImode 1 separates priority drop and deactivation", () => {
  const { read, write, state } = machine([{ intid: 40 }]);
  write("ICC_CTLR_EL1", 2);
  read("ICC_IAR1_EL1");
  write("ICC_EOIR1_EL1", 40);
  assertEquals([state(0), read("ICC_RPR_EL1")], [2, 0xff]);
  write("ICC_DIR_EL1", 40);
  assertEquals(state(0), 0);
});

Deno.test("gic: with EOImode 0 a write to DIR does nothing", () => {
  const { read, write, state } = machine([{ intid: 40 }]);
  read("ICC_IAR1_EL1");
  write("ICC_DIR_EL1", 40);
  assertEquals(state(0), 2);
});

Deno.test("gic: pending and active: taken again only after its end", () => {
  const { gic, read, write, state } = machine([{ intid: 40, state: "both" }]);
  write("ICH_AP1R0_EL2", 1 << 20);
  assertEquals([gic.virtualIrqPending(), read("ICC_IAR1_EL1")], [false, 1023]);
  write("ICC_EOIR1_EL1", 40);
  assertEquals([state(0), gic.virtualIrqPending()], [1, true]);
});

Deno.test("gic: EOIcount counts ends of interrupts that no list register holds", () => {
  const { read, write } = machine();
  write("ICH_AP1R0_EL2", 1 << 20 | 1 << 16);
  write("ICC_EOIR1_EL1", 40);
  assertEquals(read("ICH_HCR_EL2") >>> 27, 1);
  write("ICC_EOIR1_EL1", 1023); // special: nothing at all
  assertEquals([read("ICH_HCR_EL2") >>> 27, read("ICC_AP1R0_EL1")], [1, 1 << 20]);
  write("ICC_EOIR1_EL1", 9000); // an LPI has no active state
  assertEquals([read("ICH_HCR_EL2") >>> 27, read("ICC_RPR_EL1")], [1, 0xff]);
  write("ICC_EOIR1_EL1", 41); // nothing was active: no priority to drop
  assertEquals(read("ICH_HCR_EL2") >>> 27, 1);
});

Deno.test("gic: EOIcount wraps", () => {
  const { read, write } = machine();
  write("ICC_CTLR_EL1", 2);
  for (let n = 0; n < 32; n++) write("ICC_DIR_EL1", 50);
  assertEquals(read("ICH_HCR_EL2"), 1);
});

Deno.test("gic: deactivation of a hardware interrupt reaches the physical one", () => {
  const { gic, read, write } = machine([{ intid: 27, hw: 0x1b }]);
  const ended: number[] = [];
  gic.onPhysicalDeactivate = (intid) => ended.push(intid);
  read("ICC_IAR1_EL1");
  write("ICC_EOIR1_EL1", 27);
  assertEquals(ended, [27]);
});

const maintenance: [name: string, hcr: number, entries: Entry[], misr: number][] = [
  ["nothing is enabled", 1, [{ intid: 40, state: "active" }], 0],
  ["underflow: none", 1 | 2, [], 2],
  ["underflow: one", 1 | 2, [{ intid: 40, state: "active" }], 2],
  ["underflow: two", 1 | 2, [{ intid: 40, state: "active" }, { intid: 41 }], 0],
  ["entry not present", 1 | 4 | 1 << 27, [], 4],
  ["entry not present: count 0", 1 | 4, [], 0],
  ["no pending", 1 | 8, [{ intid: 40, state: "active" }], 8],
  ["no pending: one is", 1 | 8, [{ intid: 40 }], 0],
  ["no pending: pending and active is pending", 1 | 8, [{ intid: 40, state: "both" }], 0],
  ["groups enabled", 1 | 0x50, [], 0x50],
  ["groups disabled, but they are enabled", 1 | 0xa0, [], 0],
  ["ended", 1, [{ intid: 40, state: "invalid", eoi: true }], 1],
  ["ended: hardware ones don't tell", 1, [{ intid: 40, state: "invalid", hw: 0x200 }], 0],
];
for (const [name, hcr, entries, misr] of maintenance) {
  Deno.test(`gic: maintenance: ${name}`, () => {
    const { gic, read } = machine(entries);
    gic.writeRegister("ICH_HCR_EL2", BigInt(hcr >>> 0));
    assertEquals([read("ICH_MISR_EL2"), gic.maintenancePending()], [misr, misr !== 0]);
    gic.writeRegister("ICH_HCR_EL2", BigInt((hcr & ~1) >>> 0));
    assertEquals([gic.maintenancePending(), gic.virtualIrqPending()], [false, false]);
  });
}

Deno.test("gic: the end of an interrupt with the EOI bit shows in EISR, an empty register in ELRSR", () => {
  const { gic, read, write } = machine([{ intid: 40, eoi: true }, { intid: 41, state: "active" }], 4);
  read("ICC_IAR1_EL1");
  assertEquals([read("ICH_EISR_EL2"), read("ICH_ELRSR_EL2")], [0, 0b1100]);
  write("ICC_EOIR1_EL1", 40);
  assertEquals([read("ICH_EISR_EL2"), read("ICH_ELRSR_EL2"), gic.maintenancePending()], [1, 0b1100, true]);
});

Deno.test("gic: with ICH_HCR_EL2.En 0 there is nothing to acknowledge", () => {
  const { gic, read, state } = machine([{ intid: 40 }]);
  gic.writeRegister("ICH_HCR_EL2", 0n);
  assertEquals([read("ICC_IAR1_EL1"), state(0), read("ICC_AP1R0_EL1")], [1023, 1, 0]);
});

Deno.test("gic: the end of an interrupt whose group changed since deactivates nothing, and isn't counted as another's", () => {
  const { gic, read, write, state } = machine([{ intid: 40, group: 1 }]);
  read("ICC_IAR1_EL1");
  gic.writeRegister("ICH_LR0_EL2", lr({ intid: 40, group: 0, state: "active" }));
  write("ICC_EOIR1_EL1", 40);
  assertEquals([state(0), read("ICC_RPR_EL1"), read("ICH_HCR_EL2") >>> 27], [2, 0xff, 0]);
});

Deno.test("gic: an LPI ends with its priority drop, whatever EOImode says", () => {
  const { read, write, state } = machine([{ intid: 8200 }, { intid: 40, priority: 0x20 }]);
  write("ICC_CTLR_EL1", 2);
  write("ICC_EOIR1_EL1", read("ICC_IAR1_EL1"));
  write("ICC_EOIR1_EL1", read("ICC_IAR1_EL1"));
  assertEquals([state(0), state(1), read("ICC_RPR_EL1"), read("ICH_HCR_EL2") >>> 27], [0, 2, 0xff, 0]);
});

Deno.test("gic: a physical INTID has 13 bits", () => {
  const { gic, read, write } = machine([{ intid: 27, hw: 0x1234 }]);
  const ended: number[] = [];
  gic.onPhysicalDeactivate = (intid) => ended.push(intid);
  write("ICC_EOIR1_EL1", read("ICC_IAR1_EL1"));
  assertEquals(ended, [0x1234]);
});

Deno.test("gic: fields that don't exist keep zero: TSEI, vSGIEOICount, and binary points have their minimum through VMCR too", () => {
  const { read, write } = machine();
  write("ICH_HCR_EL2", 0xffff_ffff);
  assertEquals(read("ICH_HCR_EL2"), 0xf800_5cff);
  write("ICH_VMCR_EL2", 0);
  assertEquals(read("ICH_VMCR_EL2"), (2 << 21 | 3 << 18 | 1 << 3) >>> 0);
});

Deno.test("gic: list registers beyond ICH_VTR's number don't count", () => {
  const { gic } = machine([{ intid: 40, state: "invalid" }, { intid: 41 }], 1);
  assertEquals(gic.virtualIrqPending(), false);
});

Deno.test("gic: CTLR reports what VTR says", () => {
  const { read, write } = machine();
  assertEquals(read("ICC_CTLR_EL1"), 4 << 8 | 1 << 15);
  write("ICC_CTLR_EL1", 0xffff_ffff);
  assertEquals(read("ICC_CTLR_EL1"), 4 << 8 | 1 << 15 | 3);
  assertEquals(read("ICC_SRE_EL1"), 7);
});

Deno.test("gic: the view through ICH_VMCR_EL2 is the same state", () => {
  const { read, write } = machine();
  write("ICC_BPR1_EL1", 5);
  assertEquals(read("ICH_VMCR_EL2") >>> 18 & 7, 5);
  write("ICH_VMCR_EL2", 0x60 << 24 | 6 << 21 | 4 << 18 | 2);
  assertEquals([read("ICC_PMR_EL1"), read("ICC_BPR0_EL1"), read("ICC_BPR1_EL1"), read("ICC_IGRPEN1_EL1")], [0x60, 6, 4, 1]);
});

Deno.test("gic: names of others are refused", () => {
  const { gic } = machine();
  assertEquals(["ICC_SGI1R_EL1", "ICC_IAR1_EL1", "ICH_LR15_EL2", "ICC_AP1R2_EL1"].map((name) => gic.handles(name)), [
    false,
    true,
    true,
    false,
  ]);
  assertThrows(() => gic.readRegister("ICC_SGI1R_EL1"), RangeError);
  assertThrows(() => gic.writeRegister("SCTLR_EL1", 0n), RangeError);
});
