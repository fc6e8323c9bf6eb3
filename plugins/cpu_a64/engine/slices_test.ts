import { assert, assertEquals } from "@std/assert";
import type { Neighbours } from "./neighbours.ts";
import { BASE, patientVcpu, programMachine } from "./tests/program_machine.ts";

/** Two nested loops: after a while all of it is compiled. The inner one has floating point: those without any calls are left for samples. */
const program = [
  0xd2a20000, // mov x0, #(1 << 28)
  0xd2800c81, // 1: mov x1, #100
  0x9e6703e0, // 2: fmov d0, xzr
  0xf1000421, // subs x1, x1, #1
  0x54000001 | (-2 & 0x7_ffff) << 5, // b.ne 2b
  0xf1000400, // subs x0, x0, #1
  0x54000001 | (-5 & 0x7_ffff) << 5, // b.ne 1b
].map((word) => word >>> 0);

/** Runs of some length, after one in which it gets hot. */
function run(tier1: "off" | "on", lengths: readonly number[]) {
  const { engine } = programMachine({ [BASE]: program }, tier1);
  const { cpu } = engine;
  const vcpu = patientVcpu(engine);
  vcpu.write("CPACR_EL1", 3n << 20n);
  const { interpreter } = cpu;
  let entered = 0;
  const enter = interpreter.run;
  Object.assign(interpreter, { run: () => (entered++, enter()) });
  const states = [2_000_001, ...lengths].map((budget) => {
    entered = 0;
    engine.run(vcpu, { budget, startNs: 0, nsPerInstruction: 1 });
    return [cpu.lastRetired, vcpu.pc, vcpu.pstate, vcpu.x(0), vcpu.x(1)].join();
  });
  return { states, entered, samples: cpu.tier1?.hotness?.stats.samples ?? 0 };
}

Deno.test("code that is compiled isn't left for samples, and a run ends at its instruction all the same", () => {
  const lengths = [1, 19_999, 20_000, 20_001, 40_002, 123_457, 10_000_003];
  const on = run("on", lengths);
  assertEquals(on.states, run("off", lengths).states);
  // It would be five hundred times. What is entered depends on nothing but instructions.
  assert(on.entered <= 7, `entered ${on.entered} times`);
  const all = 2_000_001 + lengths.reduce((sum, length) => sum + length);
  assert(Math.abs(on.samples - all / 20_000) < 30, `${on.samples} samples of ${all} instructions`);
});

Deno.test("where other CPUs run at the same time, compiled code goes on over a sample only while there is nothing to look at", () => {
  for (const isCalm of [true, false]) {
    // Nobody looks, so what there is to look at stays there.
    let asked = 0;
    const attention = 0x40;
    const neighbours: Neighbours = {
      lock: 0x80,
      attention,
      get isCalm() {
        asked++;
        return true;
      },
      look: (left) => left,
      invalidated() {},
      codeInvalidated() {},
      barrier() {},
      takeEvent: () => false,
      holdsCode() {},
    };
    const { engine } = programMachine({ [BASE]: program }, "on", { neighbours });
    const vcpu = patientVcpu(engine);
    vcpu.write("CPACR_EL1", 3n << 20n);
    const execute = (budget: number) => {
      asked = 0;
      engine.run(vcpu, { budget, startNs: 0, nsPerInstruction: 1 });
      return asked;
    };
    execute(2_000_000);
    engine.cpu.block.words[attention >>> 2] = +!isCalm;
    const times = execute(2_000_000);
    if (isCalm) assert(times < 10, `asked ${times} times`);
    else assert(times > 90, `asked ${times} times`);
  }
});
