import { assert, assertEquals } from "@std/assert";
import { Ram } from "../../../core/memory/ram.ts";
import { Random } from "../../../tests/support/random.ts";
import { modelByName, registers } from "../sysregs/mod.ts";
import * as at from "../state.ts";
import { A64Engine } from "./engine.ts";
import { BASE, programMachine } from "./tests/program_machine.ts";

function engineWith(words: readonly number[]) {
  const ram = new Ram([{ at: 0x4000_0000, size: 0x1_0000 }]);
  ram.view(0x4000_0000, words.length * 4).set(new Uint8Array(new Uint32Array(words).buffer));
  const engine = new A64Engine({
    memory: ram,
    bus: { claim() {}, find: () => undefined },
    model: modelByName("cortex-a57"),
    counterFrequencyHz: 62_500_000,
    smc: "trap",
  });
  return { engine, vcpu: engine.createVcpu({ mpidr: 0n }) };
}

Deno.test("disassembly for reports: registers by name, and nothing where nothing is mapped", () => {
  const { vcpu } = engineWith([0xd538_4100, 0xd518_c001, 0xd53b_e040, 0xf940_0020]);
  const texts = [0n, 4n, 8n, 12n].map((at) => vcpu.disassemble(0x4000_0000n + at));
  assertEquals(texts, ["mrs x0, SP_EL0", "msr VBAR_EL1, x1", "mrs x0, CNTVCT_EL0", "ldr x0, [x1]"]);
  assertEquals(vcpu.disassemble(0x9000_0000n), undefined);
});

Deno.test("a saved vCPU comes back, also after another one ran", () => {
  const { engine, vcpu } = engineWith([0x9100_0400, 0x17ff_ffff]);
  vcpu.write("HCR_EL2", 1n << 31n);
  vcpu.pc = 0x4000_0000n;
  vcpu.setV(3, 0x1234n << 64n);
  engine.run(vcpu, { budget: 1000, startNs: 0, nsPerInstruction: 1 });
  const saved = vcpu.save();
  const [x0, pc] = [vcpu.x(0), vcpu.pc];
  const other = engine.createVcpu({ mpidr: 1n });
  assertEquals(other.x(0), 0n);
  engine.run(vcpu, { budget: 1000, startNs: 1000, nsPerInstruction: 1 });
  assertEquals(vcpu.x(0), x0 * 2n);
  vcpu.restore(saved);
  assertEquals([vcpu.x(0), vcpu.pc, vcpu.v(3)], [x0, pc, 0x1234n << 64n]);
});

/** From where to where a state's parts are: PSTATE and what is the engine's, system registers, who may access them, what is counted. */
const PARTS = [[at.PC, at.V], [at.SYSREGS, at.FAST_ACCESS], [at.FAST_ACCESS, at.LOOP_RETURN], [at.LOOP_RETURN, at.STATE_SIZE]] as const;

/** A vCPU in a loop of calls, accesses, floating point and SVCs that return at once; some of it is compiled. */
function busyVcpu() {
  const loop = [
    0xd2800064, // begin: mov x4, #3
    0x91000400, // add x0, x0, #1
    0xf9000020, // str x0, [x1]
    0xf9400022, // ldr x2, [x1]
    0x94000004, // bl inner
    0x1e602800, // fadd d0, d0, d0
    0xd4000001, // svc #0
    0x17fffff9, // b begin
    0x8b020063, // inner: add x3, x3, x2
    0xf1000484, // subs x4, x4, #1
    0x54ffffc1, // b.ne inner
    0xd65f03c0, // ret
  ];
  const vectors = BASE + 0x1000;
  const returns = [0, 0x200, 0x400, 0x600].map((offset) => [vectors + offset, [0xd69f_03e0]]); // eret
  const { engine } = programMachine({ [BASE]: loop, ...Object.fromEntries(returns) }, "on");
  const vcpu = engine.createVcpu({ mpidr: 0n });
  vcpu.write("HCR_EL2", 1n << 31n);
  vcpu.write("VBAR_EL1", BigInt(vectors));
  vcpu.write("CPACR_EL1", 3n << 20n);
  vcpu.setX(1, BigInt(BASE + 0x8000));
  vcpu.pc = BigInt(BASE);
  let startNs = 0;
  const run = () => engine.run(vcpu, { budget: 3000, startNs: startNs += 3000, nsPerInstruction: 1 });
  for (let n = 0; n < 20; n++) run();
  assert(engine.cpu.tier1!.stats.regions > 0 && vcpu.x(0) > 1000n, "it isn't busy");
  return { vcpu, run };
}

Deno.test("a state has nothing that is this engine's alone, and whoever says otherwise isn't heard", () => {
  const { vcpu, run } = busyVcpu();
  const saved = vcpu.save();
  const lie = saved.slice();
  for (const [from, to] of [[at.BANKS, at.STEPPED], [at.DETOUR, at.STATE_SIZE]]) {
    assertEquals(saved.subarray(from, to), new Uint8Array(to - from));
    lie.fill(0xff, from, to);
  }
  // What may be accessed without a look.
  lie.fill(0xff, at.FAST_ACCESS, at.FAST_ACCESS + registers.length);
  vcpu.restore(lie);
  assertEquals(vcpu.save(), saved);
  run();
});

Deno.test("whatever a state says, it is refused or its guest runs: the host goes on", () => {
  const { vcpu, run } = busyVcpu();
  const saved = vcpu.save();
  const random = new Random("states");
  let refused = 0;
  for (let n = 0; n < 500; n++) {
    const state = saved.slice(), view = new DataView(state.buffer);
    for (let changes = 1 + random.below(4); changes > 0; changes--) {
      const [from, to] = random.pick(PARTS);
      const place = from + 4 * random.below((to - from) >>> 2);
      const one = view.getUint32(place, true) ^ (1 << random.below(32));
      view.setUint32(place, random.pick([0, 0xffff_ffff, 0x7fff_ffff, random.below(2 ** 31), random.below(2 ** 24), one]), true);
    }
    try {
      vcpu.restore(state);
    } catch (error) {
      assert(error instanceof RangeError, `${(error as Error).stack}`);
      refused++;
      continue;
    }
    for (let n = 0; n < 3; n++) run();
  }
  assert(refused > 10 && refused < 250, `${refused}`);
});
