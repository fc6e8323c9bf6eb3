/**
 * Every timer register, read and written at EL0 and EL1, under every setting of the bits that let it through. What is expected is
 * written down from Arm ARM DDI 0487, "CNTKCTL_EL1" and "CNTHCTL_EL2", and knows nothing of the tables.
 */
import { assertEquals } from "@std/assert";
import { Ram } from "../../../core/memory/ram.ts";
import { modelByName, models, registerByName } from "../sysregs/mod.ts";
import { A64Engine } from "./engine.ts";

const CODE = 0x4000_0000, VECTORS = 0x4000_8000;
const PREFIXES = ["CNTP", "CNTV", "CNTHP", "CNTHV", "CNTHPS", "CNTHVS", "CNTPS"] as const;
const EL = { CNTP: "EL0", CNTV: "EL0", CNTHP: "EL2", CNTHV: "EL2", CNTHPS: "EL2", CNTHVS: "EL2", CNTPS: "EL1" } as const;

const names = [
  "CNTFRQ_EL0",
  "CNTPCT_EL0",
  "CNTVCT_EL0",
  "CNTKCTL_EL1",
  "CNTVOFF_EL2",
  "CNTHCTL_EL2",
  ...PREFIXES.flatMap((prefix) => ["TVAL", "CTL", "CVAL"].map((kind) => `${prefix}_${kind}_${EL[prefix]}`)),
];

/** MRS X3 or MSR from X3. */
function instruction(name: string, isWrite: boolean): number {
  return ((isWrite ? 0xd500_0000 : 0xd520_0000) | registerByName(name).packed << 5 | 3) >>> 0;
}

/** One instruction each, in a machine whose vectors are elsewhere. */
function machineWith(model: string) {
  const ram = new Ram([{ at: CODE, size: 0x1_0000 }]);
  const words = names.flatMap((name) => [instruction(name, false), instruction(name, true)]);
  ram.view(CODE, words.length * 4).set(new Uint8Array(new Uint32Array(words).buffer));
  const engine = new A64Engine({
    memory: ram,
    bus: { claim() {}, find: () => undefined },
    model: modelByName(model),
    counterFrequencyHz: 62_500_000,
    smc: "trap",
  });
  const vcpu = engine.createVcpu({ mpidr: 0n });
  vcpu.write("VBAR_EL1", BigInt(VECTORS));

  /** Executes an access. Returns who got it, with the syndrome's class. */
  const attempt = (name: string, isWrite: boolean, el: 0 | 1): string => {
    const at = BigInt(CODE + 4 * (2 * names.indexOf(name) + Number(isWrite)));
    vcpu.pstate = el === 0 ? 0x3c0n : 0x3c5n;
    vcpu.pc = at;
    vcpu.setX(3, 0n);
    const exit = engine.run(vcpu, { budget: 1, startNs: 0, nsPerInstruction: 1 });
    const toEl2 = exit.kind === "exception";
    if (!toEl2 && vcpu.pc === at + 4n) return "ok";
    const syndrome = vcpu.read(toEl2 ? "ESR_EL2" : "ESR_EL1");
    assertEquals(vcpu.read(toEl2 ? "ELR_EL2" : "ELR_EL1"), at, name);
    if (!toEl2) assertEquals(vcpu.pc, BigInt(VECTORS + (el === 0 ? 0x400 : 0x200)), name);
    const ec = Number(syndrome >> 26n);
    if (ec === 0x18) assertEquals(Number(syndrome & 0x1ff_ffffn), issOf(name, isWrite), name);
    return `${ec === 0x18 ? "trap" : ec === 0 ? "undefined" : `EC ${ec}`} at EL${toEl2 ? 2 : 1}`;
  };
  return { vcpu, attempt, engine };
}

/** ISS of EC 0x18: Op0 21:20, Op2 19:17, Op1 16:14, CRn 13:10, Rt 9:5, CRm 4:1, direction 0. */
function issOf(name: string, isWrite: boolean): number {
  const [op0, op1, crn, crm, op2] = registerByName(name).encoding;
  return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | 3 << 5 | crm << 1 | (isWrite ? 0 : 1);
}

interface Controls {
  readonly EL0PCTEN: boolean;
  readonly EL0VCTEN: boolean;
  readonly EL0VTEN: boolean;
  readonly EL0PTEN: boolean;
  readonly EL1PCTEN: boolean;
  readonly EL1PCEN: boolean;
  readonly TGE: boolean;
}

function expected(name: string, isWrite: boolean, el: 0 | 1, c: Controls): string {
  const undefinedHere = `undefined at EL${c.TGE ? 2 : 1}`;
  const el1 = `trap at EL${c.TGE ? 2 : 1}`;
  /** EL0 needs the first, and both levels need the second. */
  const through = (el0: boolean, below2 = true) => el === 0 && !el0 ? el1 : below2 ? "ok" : "trap at EL2";
  if (name.startsWith("CNTP_")) return through(c.EL0PTEN, c.EL1PCEN);
  if (name.startsWith("CNTV_")) return through(c.EL0VTEN);
  if (name === "CNTKCTL_EL1") return el === 1 ? "ok" : undefinedHere;
  if (isWrite) return undefinedHere; // the counters, and the frequency below the highest level
  if (name === "CNTPCT_EL0") return through(c.EL0PCTEN, c.EL1PCTEN);
  if (name === "CNTVCT_EL0") return through(c.EL0VCTEN);
  if (name === "CNTFRQ_EL0") return through(c.EL0PCTEN || c.EL0VCTEN);
  return undefinedHere; // EL2's, and Secure EL1's
}

for (const model of ["cortex-a57", "cortex-r82"]) {
  Deno.test(`timer registers of ${model}: every register, direction and control, from EL0 and EL1`, () => {
    const { vcpu, attempt } = machineWith(model);
    for (let bits = 0; bits < 128; bits++) {
      const bit = (n: number) => (bits >> n & 1) !== 0;
      const c: Controls = {
        EL0PCTEN: bit(0),
        EL0VCTEN: bit(1),
        EL0VTEN: bit(2),
        EL0PTEN: bit(3),
        EL1PCTEN: bit(4),
        EL1PCEN: bit(5),
        TGE: bit(6),
      };
      const controls = () => {
        vcpu.write("HCR_EL2", 1n << 31n | (c.TGE ? 1n << 27n : 0n));
        vcpu.write("CNTKCTL_EL1", BigInt(bits & 3 | (bits >> 2 & 3) << 8));
        vcpu.write("CNTHCTL_EL2", BigInt(bits >> 4 & 3));
      };
      for (const name of names) {
        for (const isWrite of [false, true]) {
          for (const el of c.TGE ? [0] as const : [0, 1] as const) {
            controls();
            assertEquals(
              attempt(name, isWrite, el),
              expected(name, isWrite, el, c),
              `${isWrite ? "MSR" : "MRS"} ${name} at EL${el}, ${JSON.stringify(c)}`,
            );
          }
        }
      }
    }
  });
}

Deno.test("the event stream's bits and the undefined ones of CNTKCTL_EL1 and CNTHCTL_EL2 trap nothing", () => {
  const { vcpu, attempt } = machineWith("cortex-a57");
  vcpu.write("HCR_EL2", 1n << 31n);
  vcpu.write("CNTKCTL_EL1", 0xffff_ffff_ffff_fcfcn);
  vcpu.write("CNTHCTL_EL2", 0xffff_ffff_ffff_ffffn);
  assertEquals([vcpu.read("CNTKCTL_EL1"), vcpu.read("CNTHCTL_EL2")], [0xfcn, 0xffn]);
  assertEquals(["CNTVCT_EL0", "CNTPCT_EL0", "CNTP_CTL_EL0", "CNTV_CTL_EL0"].map((name) => attempt(name, false, 1)), [
    "ok",
    "ok",
    "ok",
    "ok",
  ]);
  assertEquals(attempt("CNTVCT_EL0", false, 0), "trap at EL1");
});

Deno.test("each model has the timers of its Security states", () => {
  const of = (model: string) => {
    const { file } = machineWith(model).engine.cpu;
    return PREFIXES.filter((prefix) => file.find(registerByName(`${prefix}_CTL_${EL[prefix]}`).packed));
  };
  const nonSecure = ["CNTP", "CNTV", "CNTHP", "CNTPS"];
  assertEquals(Object.fromEntries(models.map(({ name }) => [name, of(name) as string[]])), {
    "cortex-a53": nonSecure,
    "cortex-a57": nonSecure,
    "cortex-a72": nonSecure,
    "cortex-r82": ["CNTP", "CNTV", "CNTHPS", "CNTHVS"],
    max: nonSecure,
    "max-r": ["CNTP", "CNTV", "CNTHPS", "CNTHVS"],
  });
});

Deno.test("timer registers are a vCPU's own, and a reset turns them off and opens the physical ones", () => {
  const stored = ["CNTKCTL_EL1", "CNTHCTL_EL2", "CNTVOFF_EL2", "CNTP_CVAL_EL0", "CNTV_CVAL_EL0", "CNTHPS_CVAL_EL2", "CNTHVS_CVAL_EL2"];
  const engine = new A64Engine({
    memory: new Ram([{ at: CODE, size: 0x1000 }]),
    bus: { claim() {}, find: () => undefined },
    model: modelByName("cortex-r82"),
    counterFrequencyHz: 62_500_000,
    smc: "trap",
  });
  const pair = [0n, 1n].map((mpidr) => engine.createVcpu({ mpidr }));
  for (let round = 1n; round < 4n; round++) {
    pair.forEach((each, n) => stored.forEach((name, i) => each.write(name, (round * 16n + BigInt(i * 2 + n)) & 0xffn)));
    pair.forEach((each, n) =>
      stored.forEach((name, i) => assertEquals(each.read(name), (round * 16n + BigInt(i * 2 + n)) & 0xffn, `${name} of vCPU ${n}`))
    );
  }
  for (const prefix of PREFIXES) pair[0].write(`${prefix}_CTL_${EL[prefix]}`, 1n);
  pair[0].reset();
  assertEquals([pair[0].read("CNTKCTL_EL1"), pair[0].read("CNTHCTL_EL2"), pair[0].read("CNTFRQ_EL0")], [0n, 3n, 62_500_000n]);
  for (const prefix of PREFIXES) assertEquals(pair[0].read(`${prefix}_CTL_${EL[prefix]}`), 0n);
});
