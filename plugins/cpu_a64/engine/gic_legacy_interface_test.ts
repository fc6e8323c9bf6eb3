import { assert, assertEquals } from "@std/assert";
import { GicCpuInterface } from "./gic_cpu_interface.ts";
import { GicLegacyInterface } from "./gic_legacy_interface.ts";

const NAMES = ["ICH_HCR_EL2", "ICH_VMCR_EL2", "ICH_VTR_EL2", "ICH_AP0R0_EL2", "ICH_AP1R0_EL2"];
for (let n = 0; n < 16; n++) NAMES.push(`ICH_LR${n}_EL2`);

const [CTLR, PMR, BPR, IAR, EOIR, RPR, HPPIR, ABPR, AIAR, AEOIR, AHPPIR] = Array.from({ length: 11 }, (_, n) => 4 * n);
const APR0 = 0xd0, NSAPR0 = 0xe0, IIDR = 0xfc, DIR = 0x1000;

interface Entry {
  readonly intid: number;
  readonly source?: number;
  readonly priority?: number;
  readonly group?: 0 | 1;
}

/** Pending interrupts in list registers; the mask lets all of them pass. */
function machine(entries: readonly Entry[] = [], control = 1) {
  const words = new Uint32Array(64);
  let isLegacy = true, changes = 0;
  const gic = new GicCpuInterface(() => words, (name) => 8 * NAMES.indexOf(name), () => isLegacy);
  words[4] = 0x9000_0003;
  const frame = new GicLegacyInterface(gic, () => isLegacy, () => void changes++);
  gic.writeRegister("ICH_HCR_EL2", 1n);
  gic.writeRegister("ICH_VMCR_EL2", 0n);
  entries.forEach(({ intid, source = 0, priority = 0xa0, group = 0 }, n) => {
    const value = BigInt(intid | source << 10) | BigInt(priority) << 48n | BigInt(group) << 60n | 1n << 62n;
    gic.writeRegister(`ICH_LR${n}_EL2`, value);
  });
  const read = (offset: number) => frame.read(offset, 4);
  const write = (offset: number, value: number) => frame.write(offset, 4, BigInt(value));
  write(PMR, 0xff);
  write(CTLR, control);
  return {
    gic,
    frame,
    words,
    read,
    write,
    state: (n: number) => words[10 + 2 * n + 1] >>> 30,
    changes: () => changes,
    setLegacy: (value: boolean) => void (isLegacy = value),
  };
}

Deno.test("GICV: group 0 comes as an IRQ, and as an FIQ with FIQEn", () => {
  const { gic, read, write } = machine([{ intid: 40 }]);
  assertEquals([gic.virtualIrqPending(), gic.virtualFiqPending()], [true, false]);
  write(CTLR, 9);
  assertEquals([gic.virtualIrqPending(), gic.virtualFiqPending()], [false, true]);
  assertEquals([read(HPPIR), read(IAR), read(RPR), read(APR0)], [40, 40, 0xa0, 1 << 20]);
  assertEquals([gic.virtualFiqPending(), read(IAR)], [false, 1023]);
});

Deno.test("GICV: what is acknowledged ends by EOIR, with EOImode by DIR", () => {
  const m = machine([{ intid: 40 }, { intid: 41, priority: 0xc0 }]);
  assertEquals(m.read(IAR), 40);
  m.write(EOIR, 40);
  assertEquals([m.state(0), m.read(RPR)], [0, 0xff]);
  m.write(CTLR, 0x201);
  assertEquals(m.read(IAR), 41);
  m.write(EOIR, 41);
  assertEquals([m.state(1), m.read(RPR)], [2, 0xff]);
  m.write(DIR, 41);
  assertEquals(m.state(1), 0);
});

Deno.test("GICV: DIR is ignored with EOImode 0", () => {
  const m = machine([{ intid: 40 }]);
  m.read(IAR);
  m.write(DIR, 40);
  assertEquals(m.state(0), 2);
});

Deno.test("GICV: an SGI says who sent it, and ends only as such", () => {
  const m = machine([{ intid: 3, source: 5 }]);
  assertEquals([m.read(HPPIR), m.read(IAR)], [3 | 5 << 10, 3 | 5 << 10]);
  m.write(EOIR, 3 | 4 << 10); // somebody else's: counted as one that has no list register
  assertEquals([m.state(0), m.words[0] >>> 27], [2, 1]);
});

Deno.test("GICV: an SPI ends whatever the bits of a sender say", () => {
  const m = machine([{ intid: 40 }]);
  m.read(IAR);
  m.write(EOIR, 40 | 7 << 10);
  assertEquals(m.state(0), 0);
});

Deno.test("GICV: without AckCtl group 1 is the aliases'", () => {
  const m = machine([{ intid: 40, group: 1 }], 3);
  assert(m.gic.virtualIrqPending());
  assertEquals([m.read(IAR), m.read(HPPIR), m.state(0)], [1022, 1022, 1]);
  assertEquals([m.read(AHPPIR), m.read(AIAR), m.state(0), m.read(APR0)], [40, 40, 2, 1 << 20]);
  m.write(EOIR, 40);
  assertEquals(m.state(0), 2, "EOIR is for group 0");
  m.write(AEOIR, 40);
  assertEquals([m.state(0), m.read(RPR)], [0, 0xff]);
});

Deno.test("GICV: with AckCtl IAR and EOIR serve both groups", () => {
  const m = machine([{ intid: 40, group: 1 }, { intid: 41, priority: 0x20 }], 7);
  assertEquals([m.read(AIAR), m.read(AHPPIR)], [1023, 1023], "the first is of group 0");
  assertEquals(m.read(IAR), 41);
  m.write(EOIR, 41);
  assertEquals([m.read(HPPIR), m.read(IAR)], [40, 40]);
  m.write(EOIR, 40);
  assertEquals([m.state(0), m.state(1), m.read(RPR)], [0, 0, 0xff]);
});

Deno.test("GICV: spurious while masked, disabled or nothing is there", () => {
  assertEquals(machine().read(IAR), 1023);
  const disabled = machine([{ intid: 40 }], 2);
  assertEquals([disabled.read(IAR), disabled.read(HPPIR), disabled.gic.virtualIrqPending()], [1023, 1023, false]);
  const masked = machine([{ intid: 40 }]);
  masked.write(PMR, 0xa0);
  assertEquals([masked.read(IAR), masked.read(HPPIR)], [1023, 40]);
});

Deno.test("GICV: control registers hold what they have bits for", () => {
  const { read, write } = machine();
  for (const [offset, mask, least] of [[CTLR, 0x21f, 0], [PMR, 0xf8, 0], [BPR, 7, 2], [ABPR, 7, 3]]) {
    write(CTLR, 0);
    for (const value of [0xffff_ffff, 0, 0x1234_5678]) {
      write(offset, value);
      assertEquals(read(offset), Math.max(value & mask, least), `offset ${offset}`);
    }
  }
  assertEquals([read(IIDR), read(NSAPR0)], [0x0202_043b, 0]);
});

Deno.test("GICV: active priorities of both groups are one register", () => {
  const { gic, read, write } = machine();
  gic.writeRegister("ICH_AP0R0_EL2", 0x10n);
  gic.writeRegister("ICH_AP1R0_EL2", 0x20n);
  assertEquals(read(APR0), 0x30);
  write(APR0, 0x8000_0020);
  assertEquals([gic.readRegister("ICH_AP0R0_EL2"), gic.readRegister("ICH_AP1R0_EL2")], [0x8000_0000n, 0x20n]);
  write(APR0, 0);
  assertEquals([read(APR0), read(RPR)], [0, 0xff]);
});

Deno.test("GICV: every offset at every width answers; only words are registers, and reading and writing everything changes nothing unsaid", () => {
  const m = machine([{ intid: 40 }]);
  for (let offset = 0; offset < 0x2000; offset++) {
    for (const size of [1, 2, 4, 8]) {
      const value = m.frame.read(offset, size);
      assert(value >= 0 && value <= 0xffff_ffff, `${offset}`);
      if (size !== 4 || offset % 4 !== 0) assertEquals(value, 0);
      for (const written of [0n, 2n ** BigInt(8 * size) - 1n]) m.frame.write(offset, size, written);
    }
  }
});

Deno.test("GICV: nothing for a vCPU that has system registers", () => {
  const m = machine([{ intid: 40 }]);
  m.setLegacy(false);
  const before = m.words.slice();
  const changes = m.changes();
  for (let offset = 0; offset < 0x2000; offset += 4) {
    assertEquals(m.read(offset), 0);
    m.write(offset, 0xffff_ffff);
  }
  assertEquals([m.words, m.changes()], [before, changes]);
});
