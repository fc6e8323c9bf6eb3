import { assert, assertEquals } from "@std/assert";
import { nsAfter, PARTS_PER_NS } from "../../../../core/mod.ts";
import { Random } from "../../../../tests/support/random.ts";
import * as at from "../../state.ts";
import { registerOffset } from "../../sysregs/mod.ts";
import { Block } from "../block.ts";
import { CounterAndTimers } from "../counter.ts";
import { ExceptionUnit } from "../exceptions.ts";
import { Status } from "../layout.ts";
import { BASE, patientVcpu, programMachine } from "../tests/program_machine.ts";
import { systemOps } from "../tier0.ts";
import { systemRoutine } from "./system.ts";

const MRS = systemOps.indexOf("mrs"), MRS_CNTVCT_X3 = 0xd53b_e043, ELSEWHERE = 77;

Deno.test("the virtual count in generated code is the one computed from the clock, or left to it", () => {
  const random = new Random("virtual count");
  let simple = 0, left = 0;
  for (const frequencyHz of [62_500_000, 1_000_000_000, 24_000_000, 19_200_000, 62_500_001, 999_999_937, 32_768, 1]) {
    const block = new Block(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }), at.STATE_SIZE);
    const { routines: exceptions } = new ExceptionUnit(block, new Set());
    const callees = { exceptions, slow: () => ELSEWHERE, updateContext() {} };
    const surroundings = { hasNeighbours: false, counterFrequencyHz: frequencyHz };
    const execute = systemRoutine(block.memory, block.address, systemOps, callees, surroundings);
    let nowNs = 0;
    const counter = new CounterAndTimers(block, frequencyHz, () => nowNs);
    for (let n = 0; n < 400; n++) {
      const exact = {
        ns: Math.floor(random.below(2 ** 20) / 2 ** 20 * 2 ** random.below(54)),
        parts: random.below(PARTS_PER_NS),
        partsPerInstruction: random.pick([1, 7, PARTS_PER_NS / 16, PARTS_PER_NS, 4 * PARTS_PER_NS, 2 ** 31 - 1]),
      };
      const given = random.below(2 ** random.below(32)), budget = random.below(given + 1), beyond = random.below(given + 1 - budget);
      const el = random.below(2), isOpen = random.chance(0.5), isAsked = random.chance(0.1);
      block.set(at.EL, el);
      block.set64(registerOffset("CNTKCTL_EL1"), isOpen ? 3n : 1n);
      block.set64(registerOffset("CNTVOFF_EL2"), random.chance(0.5) ? 0n : BigInt(random.below(2 ** 32)) << BigInt(random.below(33)));
      for (const [offset, value] of [[at.GIVEN, given], [at.BUDGET, budget], [at.BEYOND, beyond], [at.TIME_PARTS, exact.parts]]) {
        block.set(offset, value);
      }
      block.set64(at.TIME_NS, BigInt(exact.ns));
      block.set(at.TIME_STEP, isAsked ? 0 : exact.partsPerInstruction);
      nowNs = nsAfter(exact, given - budget - beyond);
      const status = execute(MRS, MRS_CNTVCT_X3);
      if (isAsked || el === 0 && !isOpen) assertEquals(status, ELSEWHERE);
      else if (status === ELSEWHERE) {
        assert(left++ < 3200 && BigInt(nowNs) * BigInt(frequencyHz) > 1n << 60n, `${frequencyHz} Hz, ${nowNs} ns`);
      } else assertEquals([status, block.get64(at.x(3))], [Status.next, counter.read("CNTVCT_EL0")], `${frequencyHz} Hz, ${nowNs} ns`);
      if (status !== ELSEWHERE) simple++;
    }
  }
  assert(simple > 1500 && left > 0, `${simple}, ${left} left to the clock`);
});

/** Stores the count, again and again, and counts itself down. */
const program = [
  0xd53b_e040, // 1: mrs x0, cntvct_el0
  0xf800_8420, // str x0, [x1], #8
  0x9240_3821, // and x1, x1, #0x7fff
  0xb262_0021, // orr x1, x1, #0x40000000
  0xb271_0021, // orr x1, x1, #0x8000
  0x17ff_fffb, // b 1b
];

for (const tier1 of ["off", "on", "force"] as const) {
  Deno.test(`what a guest reads of the counter goes with its instructions, and doesn't leave WebAssembly, tier 1 ${tier1}`, () => {
    const times = [false, true].map((isExact) => {
      const { engine } = programMachine({ [BASE]: program }, tier1);
      const { cpu } = engine;
      const vcpu = patientVcpu(engine);
      vcpu.setX(1, BigInt(BASE + 0x8000));
      let asked = 0;
      const { fastVirtualCount } = cpu.counter;
      Object.assign(cpu.counter, { fastVirtualCount: () => (asked++, fastVirtualCount.call(cpu.counter)) });
      const seen: bigint[] = [];
      let retired = 0;
      for (const budget of [1, 5, 19_998, 400_001, 3, 123_457, 1_000_000]) {
        const exact = isExact ? { ns: 1000 + retired, parts: 0, partsPerInstruction: PARTS_PER_NS } : undefined;
        engine.run(vcpu, { budget, startNs: 1000 + retired, nsPerInstruction: 1, exact });
        retired += engine.lastRetired;
        seen.push(vcpu.x(0), vcpu.x(1));
      }
      return { seen, asked };
    });
    assertEquals(times[1].seen, times[0].seen);
    assert(times[0].asked > 100_000 && times[1].asked === 0, `asked ${times.map(({ asked }) => asked)}`);
  });
}
