/** What programs at EL1 and EL0 meet under the MPUs of EL1 and EL2: every permission, borders, overlaps, changes. Arm DDI 0600. */
import { assertEquals, assertThrows } from "@std/assert";
import { type Access, MpuMachine, NOP, RW, type Seen, SVC } from "./tests/mpu_machine.ts";

const CODE = MpuMachine.CODE, DATA = 0x4002_0000;
const M = 1n, BR = 1n << 17n, WXN = 1n << 19n;
const VM = 1n;
const TRANSLATION = 0b000100, PERMISSION = 0b001100, ALIGNMENT = 0b100001;

type Where = "region" | "none" | "background";
interface Case {
  readonly el: 0 | 1;
  readonly access: "read" | "write" | "execute";
  readonly ap: number;
  readonly xn: number;
  readonly wxn: boolean;
  readonly where: Where;
}

function* cases(xns: readonly number[]): Generator<Case> {
  for (const el of [1, 0] as const) {
    for (const access of ["read", "write", "execute"] as const) {
      for (let ap = 0; ap < 4; ap++) {
        for (const xn of xns) {
          for (const wxn of [false, true]) {
            for (const where of ["region", "none", "background"] as const) yield { el, access, ap, xn, wxn, where };
          }
        }
      }
    }
  }
}

/** AP as the manual's table prints it: what the MPU's own level may do, and what those below may. */
const AP = [["rw", ""], ["rw", "rw"], ["r", ""], ["r", "r"]] as const;
const wants = { read: "r", write: "w", execute: "r" };

/** DFSC of the EL1 MPU's answer; 0: allowed. */
function stage1Answer({ el, access, ap, xn, wxn, where }: Case): number {
  if (where === "none" || (where === "background" && el === 0)) return TRANSLATION;
  if (where === "background") return 0;
  const may = AP[ap][el === 1 ? 0 : 1];
  const never = xn === 1 || (wxn && may.includes("w"));
  return may.includes(wants[access]) && !(access === "execute" && never) ? 0 : PERMISSION;
}

/** The same of the EL2 MPU for the levels below: its background helps EL2 alone, its WXN concerns EL2 alone. */
function stage2Answer({ el, access, ap, xn, where }: Case): number {
  if (where !== "region") return TRANSLATION;
  const executable = [[0, 1], [0], [], [1]][xn];
  const may = AP[ap][1];
  return may.includes(wants[access]) && !(access === "execute" && !executable.includes(el)) ? 0 : PERMISSION;
}

/** Whole pages are cached by the TLB, single granules are not. */
const spans = { "a page": [DATA, DATA + 0xfff], "64 bytes": [DATA + 0x40, DATA + 0x7f] } as const;

for (const [name, [base, limit]] of Object.entries(spans)) {
  const target = base + 8;

  Deno.test(`EL1 MPU: 288 cases of EL, access, AP, XN, WXN and match, with ${name}`, () => {
    const machine = new MpuMachine();
    let count = 0;
    for (const one of cases([0, 1])) {
      const { el, access, ap, xn, wxn, where } = one;
      machine.regions(1, [
        { base: CODE, limit: CODE + 0xfff, ap: 3, xn: 0 },
        ...(where === "region" ? [{ base, limit, ap, xn: xn * 2 }] : []),
      ]);
      machine.write("SCTLR_EL1", M | (where === "none" ? 0n : BR) | (wxn ? WXN : 0n));
      const answer = stage1Answer(one);
      const seen = machine.access(access, target, el);
      const same = el === 1 ? 1 : 0;
      const expected: Seen = answer === 0 ? { done: true } : {
        done: false,
        toEl: 1,
        ec: (access === "execute" ? 0x20 : 0x24) + same,
        iss: answer | (access === "write" ? 0x40 : 0),
        far: target,
        pc: access === "execute" ? target : CODE,
      };
      assertEquals(seen, expected, JSON.stringify(one));
      count++;
    }
    assertEquals(count, 288);
  });

  Deno.test(`EL2 MPU as stage 2: 576 cases, XN having two bits, with ${name}`, () => {
    const machine = new MpuMachine();
    machine.write("HCR_EL2", 1n << 31n | VM);
    let count = 0;
    for (const one of cases([0, 1, 2, 3])) {
      const { el, access, ap, xn, wxn, where } = one;
      machine.regions(2, [
        { base: CODE, limit: CODE + 0xfff, ap: 3, xn: 0 },
        ...(where === "region" ? [{ base, limit, ap, xn }] : []),
      ]);
      machine.write("SCTLR_EL2", M | (where === "none" ? 0n : BR) | (wxn ? WXN : 0n));
      const answer = stage2Answer(one);
      // LDR and STR of X1: ISV, SAS = 3, SRT = 1, SF.
      const syndrome = access === "execute" ? 0 : 0x1c1_8000;
      const expected: Seen = answer === 0 ? { done: true } : {
        done: false,
        toEl: 2,
        ec: access === "execute" ? 0x20 : 0x24,
        iss: syndrome | answer | (access === "write" ? 0x40 : 0),
        far: target,
        hpfar: Math.floor(target / 4096) * 16,
        pc: access === "execute" ? target : CODE,
      };
      assertEquals(machine.access(access, target, el), expected, JSON.stringify(one));
      count++;
    }
    assertEquals(count, 576);
  });
}

Deno.test("EL2 MPU for EL2's own code: 288 cases", () => {
  const machine = new MpuMachine();
  let count = 0;
  for (const [base, limit] of Object.values(spans)) {
    for (const one of cases([0, 1])) {
      // EL2 has one privilege: it is its MPU's own level, whatever AP says of those below.
      if (one.el === 0) continue;
      const { access, ap, xn, wxn, where } = one;
      machine.regions(2, [
        { base: CODE, limit: CODE + 0xfff, ap: 2, xn: 0 },
        ...(where === "region" ? [{ base, limit, ap, xn: xn * 2 }] : []),
      ]);
      machine.write("SCTLR_EL2", M | (where === "none" ? 0n : BR) | (wxn ? WXN : 0n));
      const answer = stage1Answer(one);
      const target = base + 8;
      const expected: Seen = answer === 0 ? { done: true } : {
        done: false,
        toEl: 2,
        ec: access === "execute" ? 0x21 : 0x25,
        iss: answer | (access === "write" ? 0x40 : 0),
        far: target,
        pc: access === "execute" ? target : CODE,
      };
      assertEquals(machine.accessAtEl2(access, target), expected, JSON.stringify(one));
      count++;
    }
  }
  assertEquals(count, 288);
});

Deno.test("EL2's own code programs its MPU by MSR, and its next instruction knows", () => {
  const machine = new MpuMachine();
  machine.regions(2, [{ base: CODE, limit: CODE + 0xfff, ap: 2, xn: 0 }, { base: DATA, limit: DATA + 0xfff, ap: 0, xn: 2 }]);
  machine.write("PRSELR_EL2", 0n);
  machine.write("SCTLR_EL2", M);
  // LDR X1, [X0]; MOV X2, #1; MSR PRENR_EL2, X2; LDR X1, [X0].
  const LOAD = 0xf9400001, MSR_PRENR = 0xd51c6122;
  const seen = machine.runAtEl2([LOAD, 0xd2800022, MSR_PRENR, LOAD, SVC], BigInt(DATA));
  assertEquals(seen, { done: false, toEl: 2, ec: 0x25, iss: TRANSLATION, far: DATA, pc: CODE + 12 });
  assertEquals(machine.read("PRENR_EL2") & 3n, 1n);
  // MSR PRLAR1_EL2, X0: its region again, one granule; LDR X1, [X0]; LDR X1, [X0, #64].
  const far = machine.runAtEl2([0xd51c68a0, 0x927ff800, LOAD, 0xf9402001, SVC], BigInt(DATA | 1));
  assertEquals(far, { done: false, toEl: 2, ec: 0x25, iss: TRANSLATION, far: DATA + 64, pc: CODE + 12 });
  // MSR PRSELR_EL2, X0; MRS X1, PRBAR_EL2; MSR VSCTLR_EL2, X1.
  assertEquals(machine.runAtEl2([0xd51c6220, 0xd53c6801, 0xd51c2001, SVC], 1n), { done: true });
  assertEquals([machine.read("PRSELR_EL2"), machine.read("VSCTLR_EL2")], [1n, 0n]);
  assertEquals(machine.runAtEl2([0xd51c2000, SVC], 0xabcd_0000_0000_0000n), { done: true });
  assertEquals([machine.read("VSCTLR_EL2"), machine.read("TTBR0_EL2")], [0xabcd_0000_0000_0000n, 0n]);
});

Deno.test("what plugins load and store as EL2 goes by its MPU, both parts of what straddles a border", () => {
  const machine = new MpuMachine();
  machine.write("SCTLR_EL2", M);
  const base = DATA + 0x40;
  machine.regions(2, [{ base, limit: base + 63, ap: 0, xn: 2 }]);
  machine.plainAccessAtEl2(base + 56, 7n);
  assertEquals(machine.plainAccessAtEl2(base + 56), 7n);
  for (const at of [base - 8, base - 4, base + 60, base + 64]) {
    assertThrows(() => machine.plainAccessAtEl2(at), RangeError, "translation fault, level 0");
    assertThrows(() => machine.plainAccessAtEl2(at, 1n), RangeError, "translation fault, level 0");
  }
  assertEquals(machine.plainAccessAtEl2(base + 56), 7n);
  machine.regions(2, [{ base, limit: base + 63, ap: 0, xn: 2 }, { base: base + 64, limit: base + 127, ap: 2, xn: 2 }]);
  assertEquals(machine.plainAccessAtEl2(base + 60) & 0xffff_ffffn, 0n);
  assertThrows(() => machine.plainAccessAtEl2(base + 60, 1n), RangeError, "permission fault, level 0");
  assertEquals(machine.plainAccessAtEl2(base + 56), 7n);
});

for (const stage of [1, 2] as const) {
  /** Code, and whatever the test has, at one stage; the other is off. */
  const prepare = (machine: MpuMachine) => {
    machine.write("HCR_EL2", 1n << 31n | (stage === 2 ? VM : 0n));
    machine.write("SCTLR_EL1", stage === 1 ? M : 0n);
    machine.write("MAIR_EL1", 0xffn);
    return (spans: readonly (readonly [number, number])[]) =>
      machine.regions(stage, [
        { base: CODE, limit: CODE + 0xfff, ap: 3, xn: 0 },
        ...spans.map(([base, limit]) => ({ base, limit, ap: RW, xn: 0 })),
      ]);
  };
  const refused = (far: number, status = TRANSLATION) => ({ toEl: stage, status, far });
  const outcome = (machine: MpuMachine, access: Access, at: number, size?: number) => {
    const seen = machine.access(access, at, 1, size);
    return seen.done ? true : { toEl: seen.toEl, status: seen.iss & 0x3f, far: seen.far };
  };

  Deno.test(`stage ${stage}: the 64-byte granule, its neighbours, and accesses that straddle a border`, () => {
    const machine = new MpuMachine();
    const regions = prepare(machine);
    // Unaligned accesses are for Normal memory; with stage 1 off data is Device unless HCR_EL2.DC says otherwise.
    if (stage === 2) machine.write("HCR_EL2", 1n << 31n | VM | 1n << 12n);
    const base = DATA + 0x100;
    regions([[base, base + 63]]);
    assertEquals(outcome(machine, "read", base + 56), true);
    assertEquals(outcome(machine, "read", base + 63, 1), true);
    assertEquals(outcome(machine, "read", base + 64, 1), refused(base + 64));
    assertEquals(outcome(machine, "read", base - 1, 1), refused(base - 1));
    for (const access of ["read", "write"] as const) {
      // FAR is the first byte that is refused.
      for (let into = 1; into < 8; into++) {
        assertEquals(outcome(machine, access, base - into), refused(base - into), `${into} bytes before`);
        assertEquals(outcome(machine, access, base + 64 - into), refused(base + 64), `${into} bytes within`);
      }
    }
    assertEquals(machine.changed(base, 64), false, "no byte of a refused store is written");
    // Two regions side by side: each byte range lies in one of them.
    regions([[base, base + 63], [base + 64, base + 127]]);
    for (let at = base; at <= base + 120; at++) assertEquals(outcome(machine, "write", at), true);
    assertEquals(outcome(machine, "write", base + 121), refused(base + 128));
    // Pairs of vectors, 32 bytes.
    assertEquals(outcome(machine, "write", base + 48, 32), true);
    assertEquals(outcome(machine, "write", base + 112, 32), refused(base + 128));
    assertEquals(outcome(machine, "read", base - 16, 32), refused(base - 16));
  });

  Deno.test(`stage ${stage}: two regions that overlap in one granule, and PRENR`, () => {
    const machine = new MpuMachine();
    const regions = prepare(machine);
    const middle = DATA + 0x800;
    regions([[DATA, middle + 63], [middle, DATA + 0xfff]]);
    const seen = () => [middle - 8, middle, middle + 56, middle + 64].map((at) => outcome(machine, "read", at));
    assertEquals(seen(), [true, refused(middle), refused(middle + 56), true]);
    machine.write(`PRENR_EL${stage}`, 0b011n);
    assertEquals(seen(), [true, true, true, refused(middle + 64)]);
    machine.write(`PRENR_EL${stage}`, 0b101n);
    assertEquals(seen(), [refused(middle - 8), true, true, true]);
    machine.write(`PRENR_EL${stage}`, 0b111n);
    assertEquals(seen(), [true, refused(middle), refused(middle + 56), true]);
    // The first one shrinks by a granule.
    machine.write(`PRSELR_EL${stage}`, 1n);
    machine.write(`PRLAR_EL${stage}`, BigInt(middle - 64) | 1n);
    assertEquals(seen(), [true, true, true, true]);
    // A base above the limit is a region of nothing.
    machine.write(`PRBAR_EL${stage}`, BigInt(middle) | 4n);
    assertEquals(seen(), [refused(middle - 8), true, true, true]);
  });

  Deno.test(`stage ${stage}: code runs as far as its region goes, and branches within a divided page are checked`, () => {
    const machine = new MpuMachine();
    const regions = prepare(machine);
    machine.put(DATA, Array.from({ length: 1024 }, () => NOP));
    machine.put(DATA + 0x100, [0x17ff_fff0]); // b .-0x40
    machine.put(DATA + 0x200, [SVC]);
    const from = DATA + 0xc0;
    // Falls through its end.
    regions([[from, from + 127]]);
    machine.put(DATA + 0x100, [NOP]);
    assertEquals(outcome(machine, "execute", from), refused(from + 128));
    assertEquals(machine.pc, from + 128);
    // Branches to before its beginning.
    machine.put(DATA + 0x100, [0x17ff_ffef]); // b .-0x44
    assertEquals(outcome(machine, "execute", from), refused(DATA + 0xbc));
    assertEquals(machine.pc, DATA + 0xbc);
    // Reaches code behind: an adjacent region, where it finds its end.
    machine.put(DATA + 0x100, [NOP]);
    regions([[from, from + 127], [from + 128, DATA + 0x23f]]);
    assertEquals(outcome(machine, "execute", from), true);
    // The same code as a whole page, then divided again.
    regions([[DATA, DATA + 0xfff]]);
    assertEquals(outcome(machine, "execute", DATA), true);
    regions([[DATA, DATA + 0x1ff]]);
    assertEquals(outcome(machine, "execute", DATA), refused(DATA + 0x200));
    // A store into code that was executed shows in it.
    regions([[DATA, DATA + 0x23f]]);
    assertEquals(outcome(machine, "execute", DATA), true);
    machine.store32(DATA + 0x1fc, SVC);
    assertEquals(outcome(machine, "execute", DATA), true);
    assertEquals(machine.pcAtEnd, DATA + 0x1fc);
  });

  Deno.test(`stage ${stage}: Device memory: alignment faults, at the stage that made it Device`, () => {
    const machine = new MpuMachine();
    machine.write("HCR_EL2", 1n << 31n | VM);
    machine.write("SCTLR_EL1", M);
    // Index 0 Normal, 1 Device-nGnRE.
    for (const el of [1, 2] as const) machine.write(`MAIR_EL${el}`, 0x04ffn);
    const code = { base: CODE, limit: CODE + 0xfff, ap: 3, xn: 0 };
    for (const [base, limit] of Object.values(spans)) {
      machine.regions(stage, [code, { base, limit, ap: RW, xn: 2, attribute: 1 }]);
      machine.regions(stage === 1 ? 2 : 1, [code, { base: DATA, limit: DATA + 0xfff, ap: RW, xn: 0 }]);
      assertEquals(outcome(machine, "read", base), true);
      assertEquals(outcome(machine, "read", base + 1, 8), refused(base + 1, ALIGNMENT));
      assertEquals(outcome(machine, "write", base + 6, 4), refused(base + 6, ALIGNMENT));
      assertEquals(outcome(machine, "zero", base), refused(base, ALIGNMENT));
      assertEquals(outcome(machine, "execute", base), refused(base, PERMISSION));
    }
  });
}

Deno.test("stage 1 answers before stage 2, and both must agree", () => {
  const machine = new MpuMachine();
  machine.write("HCR_EL2", 1n << 31n | VM);
  machine.write("SCTLR_EL1", M | BR);
  const code = { base: CODE, limit: CODE + 0xfff, ap: 3, xn: 0 };
  const both = (one: number, two: number) => {
    machine.regions(1, [code, { base: DATA, limit: DATA + 0xfff, ap: one, xn: 0 }]);
    machine.regions(2, [code, { base: DATA, limit: DATA + 0xfff, ap: two, xn: 0 }]);
    return (["read", "write"] as const).map((access) => {
      const seen = machine.access(access, DATA, 1);
      return seen.done ? 0 : seen.toEl;
    });
  };
  assertEquals([both(RW, RW), both(RW, 3), both(3, RW), both(2, 0), both(0, 2)], [[0, 0], [0, 2], [0, 1], [2, 1], [2, 2]]);
  // EL1's background region lets EL1 through to stage 2, which decides.
  machine.regions(1, [code]);
  assertEquals(machine.access("read", DATA + 0x1000, 1).toEl, 2);
  assertEquals(machine.access("read", DATA + 0x1000, 0).toEl, 1);
});

Deno.test("what EL1 changes counts for its next instruction, without TLBI: its region, WXN, BR, M, MAIR", () => {
  const machine = new MpuMachine();
  machine.write("MAIR_EL1", 0xffn);
  machine.write("SCTLR_EL1", M);
  machine.regions(1, [{ base: CODE, limit: CODE + 0xfff, ap: 3, xn: 0 }, { base: DATA, limit: DATA + 0xfff, ap: RW, xn: 0 }]);
  const SELECT = 0xd5186222, BAR = 0xd5186802, PRENR = 0xd5186122, SCTLR = 0xd5181002, MAIR = 0xd518a202, LOAD = 0xf9400001;
  const run = (msr: number, value: bigint, access = LOAD, at = DATA) => {
    machine.setX(0, BigInt(at));
    machine.setX(2, value);
    const seen = machine.run([LOAD, msr, access, SVC], 1);
    return seen.done ? 0 : [seen.iss & 0x3f, seen.pc - CODE];
  };
  assertEquals(run(NOP, 0n), 0);
  assertEquals(run(PRENR, 1n), [TRANSLATION, 8]);
  machine.write("PRENR_EL1", 3n);
  machine.write("PRSELR_EL1", 1n);
  assertEquals(run(BAR, BigInt(DATA + 0x40) | 4n), [TRANSLATION, 8]);
  assertEquals(run(BAR, BigInt(DATA) | 4n, LOAD, DATA + 0x40), 0);
  assertEquals(run(SELECT, 0n), 0);
  machine.write("PRSELR_EL1", 0n);
  assertEquals(run(SELECT, 1n), 0, "the selector alone changes nothing");
  // Code is read-only to all, so WXN changes nothing; then it isn't.
  assertEquals(run(SCTLR, M | WXN), 0);
  machine.write("PRBAR_EL1", BigInt(DATA) | 4n);
  machine.write("SCTLR_EL1", M);
  machine.regions(1, [{ base: CODE, limit: CODE + 0xfff, ap: RW, xn: 0 }, { base: DATA, limit: DATA + 0xfff, ap: RW, xn: 0 }]);
  assertEquals(run(SCTLR, M | WXN), [PERMISSION, 8], "the next fetch");
  machine.write("SCTLR_EL1", M);
  machine.regions(1, [{ base: DATA, limit: DATA + 0xfff, ap: RW, xn: 0 }, { base: CODE, limit: CODE + 0xfff, ap: RW, xn: 0 }]);
  assertEquals(run(PRENR, 1n), [TRANSLATION, 8], "the region of the code itself");
  machine.write("PRENR_EL1", 3n);
  // Unaligned is fine until the memory is Device.
  assertEquals(run(NOP, 0n, LOAD, DATA + 1), 0);
  assertEquals(run(MAIR, 0n, LOAD, DATA + 1), [ALIGNMENT, 8]);
});

Deno.test("vCPUs on one CPU: each has its own regions, whatever the other did meanwhile", () => {
  const machine = new MpuMachine();
  const other = machine.another();
  const code = { base: CODE, limit: CODE + 0xfff, ap: 3, xn: 0 };
  const pair = [machine, other].map((one, n) => {
    one.write("HCR_EL2", 1n << 31n | VM);
    one.write("VSCTLR_EL2", BigInt(n + 1) << 48n);
    one.write("SCTLR_EL1", M);
    one.regions(1, [code, { base: DATA + n * 0x1000, limit: DATA + n * 0x1000 + 0xfff, ap: RW, xn: 0 }]);
    one.regions(2, [code, { base: DATA, limit: DATA + 0x1fff, ap: RW, xn: 0 }]);
    return () => [DATA, DATA + 0x1000].map((at) => one.access("read", at, 1).toEl ?? 0);
  });
  for (let round = 0; round < 3; round++) assertEquals(pair.map((seen) => seen()), [[0, 1], [1, 0]]);
  // EL2 takes a page from the first while the second one's registers are in the CPU.
  machine.write("PRSELR_EL2", 1n);
  other.write("PRSELR_EL2", 0n);
  machine.write("PRBAR_EL2", BigInt(DATA + 0x1000) | 4n);
  assertEquals(pair.map((_, n) => pair[1 - n]()), [[1, 0], [2, 1]]);
  assertEquals(pair.map((seen) => seen()), [[2, 1], [1, 0]]);
  // The same VMID for both: regions still are the vCPU's.
  other.write("VSCTLR_EL2", 1n << 48n);
  assertEquals(pair.map((seen) => seen()), [[2, 1], [1, 0]]);
});

Deno.test("regions that close and open again are as before; what changed meanwhile counts", () => {
  const machine = new MpuMachine();
  machine.write("HCR_EL2", 1n << 31n | VM);
  const code = { base: CODE, limit: CODE + 0xfff, ap: 3, xn: 0 };
  machine.regions(2, [code, { base: DATA, limit: DATA + 0xfff, ap: RW, xn: 0 }]);
  const seen = () => machine.access("write", DATA, 1).toEl ?? 0;
  assertEquals(seen(), 0);
  for (const [bar, expected] of [[RW, 0], [3, 2], [3, 2], [RW, 0], [RW, 0]] as const) {
    machine.write("PRENR_EL2", 1n);
    machine.write("PRSELR_EL2", 1n);
    machine.write("PRBAR_EL2", BigInt(DATA | bar << 2));
    machine.write("PRENR_EL2", 3n);
    assertEquals(seen(), expected);
  }
  machine.write("PRENR_EL2", 1n);
  assertEquals(seen(), 2);
});

Deno.test("AT reports what the MPUs say: PAR_EL1 with the identity address, no NS, faults of level 0", () => {
  const machine = new MpuMachine();
  machine.write("MAIR_EL1", 0x44ffn);
  machine.write("HCR_EL2", 1n << 31n | VM);
  machine.write("SCTLR_EL1", M);
  const code = { base: CODE, limit: CODE + 0xfff, ap: 3, xn: 0 };
  machine.regions(1, [code, { base: DATA, limit: DATA + 63, ap: RW, xn: 0, attribute: 1 }, {
    base: DATA + 64,
    limit: DATA + 127,
    ap: 2,
    xn: 0,
  }]);
  machine.regions(2, [code]);
  // AT S1E1R, S1E1W, S1E0R, S1E0W of X0, then MRS X3, PAR_EL1.
  const par = (op2: number, at: number) => {
    machine.setX(0, BigInt(at));
    const seen = machine.run([0xd5087800 | op2 << 5, 0xd5387403, SVC], 1);
    assertEquals(seen.done, true);
    return machine.x(3);
  };
  const success = (attribute: bigint, sh: bigint) => attribute << 56n | BigInt(DATA) | sh << 7n | 1n << 11n;
  assertEquals(par(0, DATA + 8), success(0x44n, 2n));
  assertEquals(par(3, DATA + 63), success(0x44n, 2n));
  assertEquals(par(0, DATA + 64), success(0xffn, 0n));
  const failure = (status: number) => 1n << 11n | BigInt(status << 1) | 1n;
  assertEquals(par(1, DATA + 64), failure(PERMISSION));
  assertEquals(par(2, DATA + 64), failure(PERMISSION));
  assertEquals(par(0, DATA + 128), failure(TRANSLATION));
});
