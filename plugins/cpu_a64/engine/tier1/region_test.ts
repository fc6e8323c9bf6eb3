/** Random code, of branches above all, as regions: none is too odd to be compiled. PLUGBOARD_SEED and PLUGBOARD_REGIONS choose other and more. */
import { assert } from "@std/assert";
import { BASE, programMachine } from "../tests/program_machine.ts";
import { discover } from "./discover.ts";
import { writeRegion } from "./region.ts";
import { RegionModule } from "./region_module.ts";
import { Random, SEED } from "../../../../tests/support/random.ts";

const PROGRAMS = Number(Deno.env.get("PLUGBOARD_REGIONS") ?? 1500);
/** Words of a program, around the border of two pages. */
const FIRST = 1010, WORDS = 36;

const PLAIN = [
  0xd503201f, // nop
  0x8b020021, // add x1, x1, x2
  0xf1000400, // subs x0, x0, #1
  0xf9400022, // ldr x2, [x1]
  0xf8408422, // ldr x2, [x1], #8
  0xf9000022, // str x2, [x1]
  0xa9be7bfd, // stp x29, x30, [sp, #-32]!
  0x1e622820, // fadd d0, d1, d2
  0xd53be040, // mrs x0, CNTVCT_EL0
];
/** What regions leave to the interpreter: some of it ends no block. */
const LEAVING = [
  0xffffffff, // UNDEFINED
  0xd5380000, // mrs x0, MIDR_EL1
  0xd51e1100, // msr HCR_EL3, x0
  0xd503207f, // wfi
  0xd4000001, // svc #0
  0x00000000, // udf #0
];

function word(random: Random, index: number): number {
  const to = random.below(WORDS) - index, kind = random.below(16);
  if (kind < 6) return PLAIN[random.below(PLAIN.length)];
  if (kind < 7) return LEAVING[random.below(LEAVING.length)];
  if (kind < 9) return 0x54000000 | (to & 0x7_ffff) << 5 | random.below(15); // b.cond
  if (kind < 11) return 0xb4000000 | random.below(2) << 24 | (to & 0x7_ffff) << 5 | random.below(4); // cbz, cbnz
  if (kind < 13) return 0x36000000 | random.below(2) << 24 | (to & 0x3fff) << 5 | random.below(4); // tbz, tbnz
  if (kind < 14) return 0x14000000 | to & 0x3ff_ffff; // b
  if (kind < 15) return 0x94000000 | to & 0x3ff_ffff; // bl
  return random.below(2) ? 0xd65f03c0 : 0xd61f0020; // ret, br x1
}

Deno.test("regions of random code are modules that the host accepts", () => {
  const { engine } = programMachine({ [BASE]: [0xd503201f] }, "off");
  const { decoder, interpreter: { operands, limits } } = engine.cpu;
  const addresses = {
    base: 0x1_0000,
    records: 0x10_0000,
    sideTable: 0x40_0000,
    pageTable: 0x50_0000,
    windows: 0x60_0000,
    counterFrequencyHz: 1e9,
  };
  const random = new Random("regions");
  let instructions = 0;
  for (let n = 0; n < PROGRAMS; n++) {
    const words = Array.from({ length: WORDS }, (_, index) => word(random, index) >>> 0);
    const wordAt = (index: number) => words[index - FIRST];
    // Some of it is cold, and some another region's.
    const cold = new Set([random.below(2 * WORDS), random.below(2 * WORDS)]), elsewhere = FIRST + random.below(4 * WORDS);
    const surroundings = {
      wordAt: (index: number) => cold.has(index - FIRST) ? undefined : wordAt(index),
      isElsewhere: (index: number) => index === elsewhere,
    };
    const module = new RegionModule(limits, addresses);
    const heads = [0, random.below(WORDS), random.below(WORDS)];
    const text = () => `seed ${SEED}, program ${n}, heads ${heads}: ${words.map((each) => each.toString(16))}`;
    for (const [number, head] of heads.entries()) {
      const graph = discover(FIRST + head, surroundings);
      if (graph.instructions < 2) continue;
      instructions += graph.instructions;
      try {
        module.region(number, (f) => writeRegion(f, { graph, wordAt, decoder, operands, module }));
      } catch (error) {
        throw new Error(text(), { cause: error });
      }
    }
    assert(WebAssembly.validate(module.finish()), text());
  }
  assert(instructions > PROGRAMS * 10, `${instructions} instructions`);
});
