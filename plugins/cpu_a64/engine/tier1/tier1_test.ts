import { assert, assertEquals } from "@std/assert";
import { BASE, patientVcpu, programMachine } from "../tests/program_machine.ts";
import type { Tier1Mode } from "./tier1.ts";

/** A loop of blocks of eight instructions, the last two of which are skipped or not, by one of the lowest bits of X0. */
const BLOCKS = 150;
const block = (n: number) => [
  ...Array<number>(4).fill(0x91000442), // add x2, x2, #1
  0xf2400000 | (64 - n % 6) % 64 << 16 | 0x1f, // tst x0, #(1 << n % 6)
  0x54000000 | 3 << 5, // b.eq: to the next block
  0x91000442,
  0x91000442,
];
const body = Array.from({ length: BLOCKS }, (_, n) => block(n)).flat();
const program = [
  0xd2a00080, // mov x0, #(4 << 16)
  ...body,
  0xf1000400, // subs x0, x0, #1
  0x54000001 | (-(body.length + 1) & 0x7_ffff) << 5, // b.ne
  0xd4000002, // hvc #0
].map((word) => word >>> 0);

function run(tier1: Tier1Mode) {
  const { engine } = programMachine({ [BASE]: program }, tier1);
  const vcpu = patientVcpu(engine);
  engine.run(vcpu, { budget: 40_000_000, startNs: 0, nsPerInstruction: 1 });
  return { state: [vcpu.pc, vcpu.pstate, vcpu.x(0), vcpu.x(2)].join(), compiled: engine.cpu.tier1?.stats.instructions ?? 0 };
}

Deno.test("what is much larger than a region isn't copied again and again by those that it is made of", () => {
  const { state, compiled } = run("on");
  assertEquals(state, run("off").state);
  assert(compiled > body.length && compiled < 8 * body.length, `${compiled} instructions of ${body.length}`);
});

Deno.test("modules are merged after twice as many instructions each time, and go on where they were; what is compiled later joins", () => {
  const loops = Array.from({ length: 8 }, (_, n) => [
    0xd2a00020, // mov x0, #(1 << 16)
    ...Array<number>(n + 1).fill(0x91000442), // 1: add x2, x2, #1
    0xf1000400, // subs x0, x0, #1
    0x54000001 | (-(n + 2) & 0x7_ffff) << 5, // b.ne 1b
  ]).flat();
  const words = [...loops, 0x14000000 | -loops.length & 0x3ff_ffff].map((word) => word >>> 0);
  const run = (tier1: Tier1Mode) => {
    const { engine } = programMachine({ [BASE]: words }, tier1);
    const vcpu = engine.createVcpu({ mpidr: 0n });
    vcpu.pc = BigInt(BASE);
    const { stats, tuning } = engine.cpu.tier1 ?? {};
    if (tuning) Object.assign(tuning, { mergeAfter: 200_000, mergeModules: 2 });
    const seen = [300_000, 20_000_000, 20_000_000].map((budget) => {
      engine.run(vcpu, { budget, startNs: 0, nsPerInstruction: 1 });
      return { merges: stats?.merges, state: [vcpu.pc, vcpu.pstate, vcpu.x(0), vcpu.x(2)].join() };
    });
    return { seen, tuning };
  };
  const on = run("on");
  assertEquals(on.seen.map(({ state }) => state), run("off").seen.map(({ state }) => state));
  const [first, second, third] = on.seen.map(({ merges }) => merges ?? 0);
  assert(first === 1 && second > 1, `${first}, then ${second} merges`);
  // Nothing is new in the end.
  assertEquals([third, on.tuning?.mergeAfter], [second, 200_000 * 2 ** second]);
});

Deno.test("what only leads on from an instruction that is UNDEFINED is compiled, too, though nothing leads there", () => {
  const words = [
    0xd2800000, // mov x0, #0
    0xb4000000 | 7 << 5, // cbz x0, to the last
    0xd503201f, // 1: nop
    0xffffffff, // UNDEFINED
    0xb4000003 | 4 << 5, // cbz x3, to the last
    0xb5000002 | (-3 & 0x7_ffff) << 5, // cbnz x2, 1b
    0xd1000484, // 2: sub x4, x4, #1
    0xb5000004 | (-1 & 0x7_ffff) << 5, // cbnz x4, 2b
    0xd4000002, // hvc #0
  ];
  const { engine } = programMachine({ [BASE]: words.map((word) => word >>> 0) }, "force");
  const vcpu = patientVcpu(engine);
  engine.run(vcpu, { budget: 100, startNs: 0, nsPerInstruction: 1 });
  assertEquals([vcpu.pc, engine.cpu.tier1!.stats.regions > 0], [BigInt(BASE + 4 * words.length), true]);
});

Deno.test("what the compiler has a fault with stays with the interpreter, and that is said, once", () => {
  const words = [
    0xd2a00200, // mov x0, #(1 << 20)
    0xd503201f, // 1: nop
    0xf1000400, // subs x0, x0, #1
    0x54000001 | (-2 & 0x7_ffff) << 5, // b.ne 1b
    0xd2a00401, // mov x1, #(1 << 21)
    0xf1000421, // 2: subs x1, x1, #1
    0x54000001 | (-1 & 0x7_ffff) << 5, // b.ne 2b
    0xd4000002, // hvc #0
  ].map((word) => word >>> 0);
  const said: string[] = [];
  const run = (tier1: Tier1Mode) => {
    const { engine } = programMachine({ [BASE]: words }, tier1, { uncompiled: (text) => said.push(text()) });
    const vcpu = patientVcpu(engine);
    // The interpreter has its records already when the decoder begins to fail.
    engine.run(vcpu, { budget: 1000, startNs: 0, nsPerInstruction: 1 });
    const decode = engine.cpu.decoder.decode.bind(engine.cpu.decoder);
    Object.assign(engine.cpu.decoder, {
      decode: (word: number) => {
        if (word === words[1]) throw new Error("no way to do nothing");
        return decode(word);
      },
    });
    engine.run(vcpu, { budget: 40_000_000, startNs: 0, nsPerInstruction: 1 });
    return { state: [vcpu.pc, vcpu.pstate, vcpu.x(0), vcpu.x(1)].join(), stats: engine.cpu.tier1?.stats };
  };
  const on = run("on");
  assertEquals(on.state, run("off").state);
  const { refused = 0, regions = 0 } = on.stats ?? {};
  // The other loop is compiled as ever.
  assert(refused > 0 && refused < 5 && regions > 0, `${refused} refused, ${regions} regions`);
  assertEquals(said.length, refused);
  assert(said[0].endsWith("isn't compiled: no way to do nothing"), said[0]);
});
