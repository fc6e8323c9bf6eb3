import { assertEquals, assertStringIncludes } from "@std/assert";
import { Ram } from "../../../core/memory/ram.ts";
import * as at from "../state.ts";
import { Block } from "./block.ts";
import { Profile } from "./profile.ts";

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
  const lines = profile.report(undefined).split("\n");
  assertEquals(lines[0], "one sample each 4999 instructions, 10 in all");
  assertEquals(lines[2], " 70.0 %  EL1 0xffff800000001200");
  assertEquals(lines[3], "         70.0 %  0xffff800000001234  word 5");
  assertEquals(lines[4], " 30.0 %  EL1 0xffff800000008000");
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
  const text = profile.report(undefined);
  assertStringIncludes(text, "           1  mrs MIDR_EL1");
  assertStringIncludes(text, "           1  svc");
  assertStringIncludes(text, "           1  slowLoad");
});
