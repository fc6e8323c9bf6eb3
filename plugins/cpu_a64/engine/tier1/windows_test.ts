import { assertEquals, assertNotEquals } from "@std/assert";
import type { A64Engine } from "../engine.ts";
import { BASE, programMachine } from "../tests/program_machine.ts";
import { emptyWindowVa } from "./empty_window.ts";
import { windowsAt } from "./side_table.ts";
import type { Tier1Mode } from "./tier1.ts";

/** A loop that accesses its second page by X1, and once more by what X3 has. */
const loop = (access: number) => [
  0xd2807d00, // start: mov x0, #1000
  access, // again
  0xf1000400, // subs x0, x0, #1
  0x54ffffc1, // b.ne again
  0xaa0303e1, // mov x1, x3
  0x17fffffb, // b start
];
const LOAD = 0xf9400022, STORE = 0xf9000022; // x2, [x1]
const PAGE = BASE + 0x1000;

/** Most instructions of the loop's first time, and all that are executed. */
const FIRST_TIME = 3002, ALL = 3100;

/** VA that loops take for none. Only this test can know it. */
function noPage({ cpu }: A64Engine): bigint {
  const { sideTable, code, block } = cpu.tier1!.parts;
  return emptyWindowVa(block.words, sideTable + windowsAt(code.slots));
}

function run(tier1: Tier1Mode, access: number, x3: bigint | ((engine: A64Engine) => bigint), { x2 = 0n, budget = ALL } = {}) {
  const { engine } = programMachine({ [BASE]: loop(access), [PAGE]: [0x1234_5678] }, tier1);
  const vcpu = engine.createVcpu({ mpidr: 0n });
  vcpu.write("HCR_EL2", 1n << 31n);
  vcpu.pc = BigInt(BASE);
  vcpu.setX(1, BigInt(PAGE));
  vcpu.setX(2, x2);
  vcpu.setX(3, typeof x3 === "bigint" ? x3 : x3(engine));
  engine.run(vcpu, { budget, startNs: 0, nsPerInstruction: 1 });
  const { words } = engine.cpu.block;
  return { words, state: { pc: vcpu.pc, x2: vcpu.x(2), far: vcpu.read("FAR_EL1"), syndrome: vcpu.read("ESR_EL1") } };
}

Deno.test("a loop that comes anew accesses nothing where nothing is", () => {
  for (const access of [LOAD, STORE]) {
    for (let bit = 40n; bit < 64n; bit++) {
      assertEquals(run("force", access, 1n << bit).state, run("off", access, 1n << bit).state, `bit ${bit}`);
    }
  }
});

Deno.test("what one machine takes for no page is a VA like any other in the next, and never that of a page", () => {
  const { engine } = programMachine({ [BASE]: loop(LOAD) }, "force");
  const va = noPage(engine);
  assertEquals([va & 0xfffn, va >> 48n & 0xffn], [0n, 0xb7n]);
  assertEquals(run("force", LOAD, va).state, run("off", LOAD, va).state);
  assertNotEquals(va, noPage(programMachine({ [BASE]: loop(LOAD) }, "force").engine));
});

Deno.test("the VA by which a loop knows that it has no page leads to none of the guest's, nor of the engine's", () => {
  const magic = 0x5eed_beef;
  const places = (words: Uint32Array) => {
    const found = [];
    for (let at = words.indexOf(magic); at >= 0; at = words.indexOf(magic, at + 1)) found.push(at);
    return found;
  };
  for (const at of [0n, 8n, 0xff8n]) {
    const there = (engine: A64Engine) => noPage(engine) + at;
    assertEquals(run("force", LOAD, there).state.x2, 0n);
    const before = places(run("force", STORE, there, { x2: BigInt(magic), budget: FIRST_TIME }).words);
    const after = places(run("force", STORE, there, { x2: BigInt(magic) }).words);
    assertEquals(after.length, before.length + 1);
    assertEquals(after.filter((place) => !before.includes(place)).map((place) => place * 4 % 16), [Number(at % 16n)]);
  }
});
