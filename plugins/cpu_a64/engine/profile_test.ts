import { assert, assertEquals, assertMatch } from "@std/assert";
import { Ram } from "../../../core/memory/ram.ts";
import * as at from "../state.ts";
import { Block } from "./block.ts";
import { Profile } from "./profile.ts";
import { BASE, patientVcpu, programMachine } from "./tests/program_machine.ts";
import type { Tier1Mode } from "./tier1/tier1.ts";

function subject() {
  const ram = new Ram([{ at: 0, size: 0x1000 }]);
  const block = new Block(ram.wasm, ram.reserve(at.STATE_SIZE));
  return { block, profile: new Profile(block, (word) => `word ${word}`) };
}

Deno.test("samples come at even distances, and the hottest code first", () => {
  const { block, profile } = subject();
  block.set(at.EL, 1);
  for (let n = 0; n < 10; n++) {
    block.setPair(at.PC, n < 7 ? 0x1234 : 0x8000, 0xffff_8000);
    let left = 4999;
    while (left > 0) {
      const slice = profile.slice(Math.min(left, 1000));
      profile.executed(slice, n < 7 ? 5 : 6);
      left -= slice;
    }
  }
  const lines = profile.report({ decoded: 0, regions: undefined }).split("\n");
  assertEquals(lines[0], "one sample each 4999 instructions, 10 in all");
  const hot = lines.indexOf("hot code:");
  assertEquals(lines.slice(hot + 1, hot + 4), [
    " 70.0 %  EL1 0xffff800000001200",
    "         70.0 %  0xffff800000001234  word 5",
    " 30.0 %  EL1 0xffff800000008000",
  ]);
});

Deno.test("calls of generated code are counted by what they are for, and made", () => {
  const { profile } = subject();
  const calls: number[][] = [];
  const watched = profile.watch({
    system: (op: number, word: number) => calls.push([op, word]),
    slowLoad: (_size: number, _flags: number) => 7,
  });
  // MRS X0, MIDR_EL1; SVC.
  watched.system(7, 0xd538_0000);
  watched.system(0, 0xd400_0001);
  assertEquals(watched.slowLoad(0, 0), 7);
  assertEquals(calls.length, 2);
  const text = profile.report({ decoded: 0, regions: undefined });
  for (const cause of ["mrs MIDR_EL1", "svc", "slowLoad"]) assertMatch(text, new RegExp(`^ {11}1 {4}\\d\\.\\d{3} s {2}${cause}$`, "m"));
});

Deno.test("both tiers say what they executed, and what compiling took", () => {
  const program = [
    0xd2a0_0201, // mov x1, #(1 << 20)
    0xf100_0421, // 1: subs x1, x1, #1
    0x54ff_ffe1, // b.ne 1b
    0xd400_0002, // hvc #0
  ];
  const profileOf = (tier1: Tier1Mode) => {
    const { engine } = programMachine({ [BASE]: program }, tier1, { profiles: true });
    engine.run(patientVcpu(engine), { budget: 4_000_000, startNs: 0, nsPerInstruction: 1 });
    const { profile, tier1: compiler, code } = engine.cpu;
    return profile!.report({ decoded: code.stats.instructions, regions: compiler?.stats });
  };
  const on = profileOf("on"), off = profileOf("off");
  const [, share, executed] = /tier 1 executed (\d+\.\d) % of (\S+) instructions/.exec(on)!;
  assertEquals(executed, (2 + 2 * 2 ** 20).toLocaleString("en-US"));
  // Code is hot after eight samples of 20,000 instructions.
  assert(Number(share) > 85 && Number(share) < 95, share);
  assertMatch(on, /^ {2}tier 0: {4}\d\.\d{3} s {2}decoding: 32 instructions$/m);
  assertMatch(on, /^ {2}tier 1: {4}\d\.\d{3} s {2}finding regions: 1, of which 0 dropped$/m);
  assertMatch(on, /^ {13}(?!0\.000)\d\.\d{3} s {2}writing them: 2 instructions$/m);
  assertMatch(on, /^ {13}\d\.\d{3} s {2}making modules of them: 1, of \S+ bytes$/m);
  assertMatch(off, /^generated code: {3}\d\.\d{3} s$/m);
  assert(!off.includes("tier 1"), off);
});
