import { assert, assertEquals } from "@std/assert";
import type { VcpuState } from "../../../core/mod.ts";
import { Ram } from "../../../core/memory/ram.ts";
import { modelByName, registerByName, withMpuRegions } from "../sysregs/mod.ts";
import { A64Engine } from "./engine.ts";

/** Registers of both MPUs by name, as EL2 software has them, and by MRS and MSR. */
const BASE = 0x4000_0000;
const ALL = 2n ** 64n - 1n;
const ADDRESS = 0xffff_ffff_ffc0n;
const HVC = 0xd4000002;
const TVM = 1n << 26n, TRVM = 1n << 30n, TID1 = 1n << 16n;

function machine(model = "cortex-r82", counts = { el1: 32, el2: 48 }) {
  const ram = new Ram([{ at: BASE, size: 0x10_0000 }]);
  const engine = new A64Engine({
    memory: ram,
    bus: { claim() {}, find: () => undefined },
    model: withMpuRegions(modelByName(model), counts),
    counterFrequencyHz: 62_500_000,
    smc: "trap",
  });
  const create = () => {
    const vcpu = engine.createVcpu({ mpidr: 0n });
    vcpu.write("HCR_EL2", 1n << 31n);
    vcpu.pc = BigInt(BASE);
    return vcpu;
  };
  /** Executes one instruction at EL1 or EL0 without MPU; the class of the exception that came instead, -1 when none did. */
  const execute = (vcpu: VcpuState, word: number, el = 1): number => {
    ram.view(BASE, 12).set(new Uint8Array(new Uint32Array([word, HVC, HVC]).buffer));
    engine.memoryWritten(BASE, 12);
    vcpu.write("VBAR_EL1", BigInt(BASE + 0x800));
    vcpu.write("ESR_EL1", 0n);
    vcpu.write("ELR_EL2", BigInt(BASE));
    vcpu.write("SPSR_EL2", el === 1 ? 0x3c5n : 0x3c0n);
    vcpu.pstate = 0x3c9n;
    engine.run(vcpu, { budget: 1, startNs: 0, nsPerInstruction: 1 });
    if (Number(vcpu.pstate >> 2n & 3n) === 2) return Number(vcpu.read("ESR_EL2") >> 26n);
    return vcpu.pc === BigInt(BASE + 4) ? -1 : Number(vcpu.read("ESR_EL1") >> 26n);
  };
  return { engine, vcpu: create(), create, execute };
}

const mrs = (name: string, rt = 0) => (0xd530_0000 | (registerByName(name).packed & 0x7fff) << 5 | 0x8_0000 | rt) >>> 0;
const msr = (name: string, rt = 0) => (mrs(name, rt) & ~(1 << 21)) >>> 0;
const named = (n: number) => n === 0 ? "" : String(n);

Deno.test("words that the tests execute are the assembler's", () => {
  assertEquals(mrs("PRENR_EL2"), 0xd53c6120);
  assertEquals(mrs("PRSELR_EL2"), 0xd53c6220);
  assertEquals(mrs("PRBAR_EL2"), 0xd53c6800);
  assertEquals(mrs("PRLAR_EL2"), 0xd53c6820);
  assertEquals(mrs("PRBAR1_EL2"), 0xd53c6880);
  assertEquals(mrs("PRLAR15_EL2"), 0xd53c6fa0);
  assertEquals(mrs("MPUIR_EL1"), 0xd5380080);
  assertEquals(mrs("VSCTLR_EL2"), 0xd53c2000);
  assertEquals(msr("PRBAR_EL1"), 0xd5186800);
});

for (const el of [1, 2] as const) {
  Deno.test(`EL${el}: PRBAR<n> and PRLAR<n> reach the group of sixteen that PRSELR is in, PRBAR and PRLAR its region`, () => {
    const { vcpu } = machine("max-r", { el1: 48, el2: 48 });
    const base = (region: number) => BigInt(region + 1) << 20n, limit = (region: number) => base(region) | 0x8_0000n;
    for (const group of [0, 16, 32]) {
      // The low bits of the selector don't matter to the numbered ones; n = 0 is the selector's own region.
      for (let n = 1; n < 16; n++) {
        vcpu.write(`PRSELR_EL${el}`, BigInt(group + (n * 7) % 16));
        vcpu.write(`PRBAR${n}_EL${el}`, base(group + n));
        vcpu.write(`PRLAR${n}_EL${el}`, limit(group + n));
      }
      vcpu.write(`PRSELR_EL${el}`, BigInt(group));
      vcpu.write(`PRBAR_EL${el}`, base(group));
      vcpu.write(`PRLAR_EL${el}`, limit(group));
    }
    for (let region = 0; region < 48; region++) {
      vcpu.write(`PRSELR_EL${el}`, BigInt(region));
      assertEquals([vcpu.read(`PRBAR_EL${el}`), vcpu.read(`PRLAR_EL${el}`)], [base(region), limit(region)], `region ${region}`);
      for (let n = 1; n < 16; n++) {
        const other = (region & 0xf0) + n;
        assertEquals([vcpu.read(`PRBAR${n}_EL${el}`), vcpu.read(`PRLAR${n}_EL${el}`)], [base(other), limit(other)]);
      }
    }
    vcpu.write(`PRSELR_EL${3 - el}`, 5n);
    assertEquals(vcpu.read(`PRBAR_EL${3 - el}`), 0n, "the other MPU has regions of its own");
  });

  Deno.test(`EL${el}: RES0 bits stay zero, and regions that don't exist read as zero`, () => {
    const { vcpu } = machine("cortex-r82", { el1: 20, el2: 20 });
    for (let region = 0; region < 256; region++) {
      vcpu.write(`PRSELR_EL${el}`, ALL << 8n | BigInt(region));
      assertEquals(vcpu.read(`PRSELR_EL${el}`), BigInt(region));
      for (const name of [`PRBAR_EL${el}`, `PRBAR${named(region & 15)}_EL${el}`]) {
        vcpu.write(name, ALL);
        assertEquals(vcpu.read(name), region < 20 ? ADDRESS | (el === 1 ? 0x3en : 0x3fn) : 0n, `${name}, region ${region}`);
      }
      for (const name of [`PRLAR_EL${el}`, `PRLAR${named(region & 15)}_EL${el}`]) {
        vcpu.write(name, ALL);
        assertEquals(vcpu.read(name), region < 20 ? ADDRESS | 0x1fn : 0n, `${name}, region ${region}`);
      }
    }
    vcpu.write(`PRENR_EL${el}`, ALL);
    assertEquals(vcpu.read(`PRENR_EL${el}`), 0xf_ffffn);
    assertEquals(vcpu.read(`MPUIR_EL${el}`), 20n);
  });

  Deno.test(`EL${el}: PRENR is EN of the first 32 regions, both ways, and of no other`, () => {
    const { vcpu } = machine("cortex-r82", { el1: 255, el2: 255 });
    const lar = (region: number, value?: bigint) => {
      vcpu.write(`PRSELR_EL${el}`, BigInt(region));
      if (value !== undefined) vcpu.write(`PRLAR_EL${el}`, value);
      return vcpu.read(`PRLAR_EL${el}`);
    };
    for (const region of [0, 5, 31, 32, 33, 254]) lar(region, 0x4000_000fn);
    assertEquals(vcpu.read(`PRENR_EL${el}`), 0x8000_0021n);
    vcpu.write(`PRENR_EL${el}`, 0xffff_ffff_0000_0002n);
    assertEquals(vcpu.read(`PRENR_EL${el}`), 2n);
    assertEquals([0, 1, 5, 31].map((region) => lar(region)), [0x4000_000en, 1n, 0x4000_000en, 0x4000_000en]);
    assertEquals([32, 33, 254].map((region) => lar(region)), [0x4000_000fn, 0x4000_000fn, 0x4000_000fn]);
    vcpu.write(`PRENR_EL${el}`, ALL);
    assertEquals(vcpu.read(`PRENR_EL${el}`), 0xffff_ffffn);
  });
}

Deno.test("controls of the R profile: VMID, MSA, BR, and what identifies it", () => {
  const { vcpu } = machine();
  for (const [name, expected] of [["VSCTLR_EL2", 0xffff_0000_0000_0000n], ["VSTCR_EL2", 0x4010_0000n]] as const) {
    vcpu.write(name, ALL);
    assertEquals(vcpu.read(name), expected);
  }
  vcpu.write("VTCR_EL2", 0n);
  assertEquals(vcpu.read("VTCR_EL2"), 0n);
  vcpu.write("VTCR_EL2", ALL);
  assertEquals(vcpu.read("VTCR_EL2"), 0xc008_0000n);
  for (const name of ["SCTLR_EL1", "SCTLR_EL2"]) {
    vcpu.write(name, 1n << 17n);
    assertEquals(vcpu.read(name) >> 17n & 1n, 1n);
  }
  assertEquals(vcpu.read("ID_AA64MMFR0_EL1") >> 48n, 0x2fn);
  const plain = machine("max").vcpu;
  for (const name of ["SCTLR_EL1", "SCTLR_EL2"]) {
    plain.write(name, 1n << 17n);
    assertEquals(plain.read(name) >> 17n & 1n, 0n);
  }
  plain.write("VTCR_EL2", 0n);
  assertEquals(plain.read("VTCR_EL2"), 1n << 31n);
});

Deno.test("EL1 reaches its own MPU by MRS and MSR, EL0 and the A profile none", () => {
  const names = ["PRENR", "PRSELR", "PRBAR", "PRLAR", "PRBAR7", "PRLAR15"].map((name) => `${name}_EL1`);
  const { vcpu, execute } = machine();
  for (const name of names) {
    vcpu.setX(0, 0x1234_5670_0005n);
    assertEquals(execute(vcpu, msr(name)), -1, name);
    assertEquals(execute(vcpu, mrs(name, 1)), -1, name);
    assertEquals(vcpu.x(1), vcpu.read(name), name);
    assert(vcpu.x(1) !== 0n, name);
    assertEquals([execute(vcpu, msr(name), 0), execute(vcpu, mrs(name), 0)], [0, 0], `${name} at EL0`);
  }
  assertEquals(execute(vcpu, mrs("MPUIR_EL1", 1)), -1);
  assertEquals(vcpu.x(1), 32n);
  assertEquals(execute(vcpu, msr("MPUIR_EL1")), 0, "read-only");
  for (const name of ["MPUIR_EL2", "PRBAR_EL2", "PRENR_EL2", "VSCTLR_EL2"]) assertEquals(execute(vcpu, mrs(name)), 0, `${name} at EL1`);
  for (const model of ["cortex-a57", "max"]) {
    const other = machine(model);
    for (const name of [...names, "MPUIR_EL1"]) assertEquals(other.execute(other.vcpu, mrs(name)), 0, `${name} of ${model}`);
  }
});

Deno.test("HCR_EL2.TVM traps writes, TRVM reads, TID1 MPUIR_EL1", () => {
  const { vcpu, execute } = machine();
  const SYSTEM = 0x18;
  for (const name of ["PRENR_EL1", "PRSELR_EL1", "PRBAR_EL1", "PRLAR_EL1", "PRBAR15_EL1", "PRLAR1_EL1"]) {
    const [tvm, trvm] = [TVM, TRVM].map((bit) => {
      vcpu.write("HCR_EL2", 1n << 31n | bit);
      return [execute(vcpu, msr(name)), execute(vcpu, mrs(name))];
    });
    assertEquals([tvm, trvm], [[SYSTEM, -1], [-1, SYSTEM]], name);
  }
  vcpu.write("HCR_EL2", 1n << 31n | TID1);
  assertEquals([execute(vcpu, mrs("MPUIR_EL1")), execute(vcpu, mrs("PRBAR_EL1"))], [SYSTEM, -1]);
  assertEquals([vcpu.read("MPUIR_EL1"), vcpu.read("MPUIR_EL2")], [32n, 48n]);
});

Deno.test("regions and the selector are a vCPU's own: saved, restored, reset, switched in the middle of a sequence", () => {
  const { vcpu: one, create, execute } = machine();
  const other = create();
  const program = (vcpu: VcpuState, by: bigint) => {
    for (const el of [1, 2]) {
      for (let region = 0n; region < 32n; region++) {
        vcpu.write(`PRSELR_EL${el}`, region);
        vcpu.write(`PRBAR_EL${el}`, (region * by + BigInt(el)) << 12n);
      }
      vcpu.write(`PRSELR_EL${el}`, by);
    }
  };
  const seen = (vcpu: VcpuState) =>
    [1, 2].map((el) => [vcpu.read(`PRSELR_EL${el}`), vcpu.read(`PRBAR_EL${el}`), vcpu.read(`PRBAR9_EL${el}`)]);
  program(one, 3n);
  program(other, 5n);
  const expected = (by: bigint) => [1n, 2n].map((el) => [by, (by * by + el) << 12n, (9n * by + el) << 12n]);
  assertEquals([seen(one), seen(other)], [expected(3n), expected(5n)]);
  const saved = one.save();
  one.setX(0, 0x1000n);
  assertEquals(execute(one, msr("PRBAR_EL1")), -1, "into the region that PRSELR chose before the switch");
  assertEquals(one.read("PRBAR3_EL1"), 0x1000n);
  assertEquals(other.read("PRBAR3_EL1"), 0x1_0000n);
  one.restore(saved);
  assertEquals(seen(one), expected(3n));
  one.reset();
  assertEquals(seen(one), [[0n, 0n, 0n], [0n, 0n, 0n]]);
  assertEquals(seen(other), expected(5n));
});
