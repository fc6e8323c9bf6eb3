/**
 * Compiled regions against the interpreter: random programs run on both in slices of random length, with interrupts between
 * them, and the whole state is compared after each slice. PLUGBOARD_SEED and PLUGBOARD_TIER_INSTRUCTIONS choose other and more.
 */
import { assert, assertEquals, fail } from "@std/assert";
import type { TranslationStore } from "../../plugins/cpu_a64/engine/tier1/cache/keeper.ts";
import type { Tier1 } from "../../plugins/cpu_a64/engine/tier1/tier1.ts";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { declarations } from "../../plugins/cpu_a64/isa/mod.ts";
import { Random, SEED } from "../support/random.ts";
import { loopProgram } from "./random_loops.ts";
import { CODE, ProgramGenerator } from "./random_program.ts";
import { differences, haveSameRam, model, Subject, type World } from "./tier_subject.ts";

const INSTRUCTIONS = Number(Deno.env.get("PLUGBOARD_TIER_INSTRUCTIONS") ?? 100_000);
const PER_PROGRAM = 4000, PER_LOOPS = 400;
const decoder = new Decoder(declarations, model.features);

for (const tier1 of ["force", "on"] as const) {
  for (const [world, share] of [["kernel", 1], ["user", 0.5]] as const) {
    Deno.test(`tier 1 ${tier1} leaves the same state as tier 0 at every instruction count, ${world} code`, () => {
      const { stats } = compare(tier1, world, INSTRUCTIONS * share);
      assert(stats.regions > 50 && (tier1 === "force" || stats.merges > 2), "the programs compare nothing");
    });
  }
}

Deno.test("so does tier 1 with what it kept of a run before", () => {
  const kept = new Map<string, Uint8Array>();
  const store = { read: (key: string) => kept.get(key), write: (key: string, bytes: Uint8Array) => void kept.set(key, bytes), say: fail };
  compare("on", "kernel", INSTRUCTIONS / 4, { translations: store }).save();
  // Translations, decoded words, and the rare handlers while there aren't too many to be worth it, as in very long runs.
  assert(kept.size === 3 || kept.size === 2 && INSTRUCTIONS > 1e6, `${kept.size} files`);
  const { stats } = compare("on", "kernel", INSTRUCTIONS / 4, { translations: store });
  assert(stats.bound > 20, `the programs compare nothing: ${stats.bound}`);
});

for (const world of ["kernel", "user"] as const) {
  Deno.test(`a run that a debugger stops after every few instructions leaves the same state as one that goes on, ${world} code`, () => {
    compare("on", world, INSTRUCTIONS / 8, { inPieces: true });
  });
}

for (const tier1 of ["force", "on"] as const) {
  for (const world of ["kernel", "user"] as const) {
    Deno.test(`tier 1 ${tier1} leaves the same state as tier 0 in short loops, ${world} code`, () => {
      const { stats } = compare(tier1, world, INSTRUCTIONS, { program: loopProgram });
      assert(stats.unrolled > 20, "the programs compare nothing");
    });
  }
}

interface Comparison {
  readonly program?: (random: Random) => { readonly first: number; readonly words: readonly number[] };
  readonly translations?: TranslationStore;
  readonly inPieces?: boolean;
}

/** Runs programs on both. Returns the compiler. */
function compare(tier1: "force" | "on", world: World, instructions: number, { program, translations, inPieces }: Comparison = {}): Tier1 {
  const generator = new ProgramGenerator(decoder);
  const subjects = [new Subject("off", world), new Subject(tier1, world, translations)] as const;
  const [expected, got] = subjects;
  let faults = 0;
  for (let done = 0, n = 0; done < instructions; n++) {
    const random = new Random(`tiers ${n}${world === "kernel" ? "" : world}`);
    const { first, words } = program?.(random) ?? generator.program(random);
    const data = new Uint8Array(0x1000).map(() => random.chance(0.3) ? random.below(256) : 0);
    for (const subject of subjects) subject.start(first, words, data);
    const end = done + (program ? PER_LOOPS : PER_PROGRAM);
    while (done < end) {
      const budget = random.chance(0.3) ? 1 + random.below(4) : random.below(200);
      const pend = random.chance(0.1);
      // Programs find small loops: now and then they are put elsewhere, but no handler of the kernel is.
      if (random.chance(0.15) && (world === "kernel" || (expected.vcpu.pstate & 0xcn) === 0n)) {
        const pc = BigInt(CODE + (first + random.below(words.length)) * 4);
        for (const { vcpu } of subjects) vcpu.pc = pc;
      }
      const startPc = expected.vcpu.pc;
      const other = inPieces ? got.runInPieces(budget, pend, done, random) : { exit: got.run(budget, pend, done), retired: -1 };
      const exits = [expected.run(budget, pend, done), other.exit];
      const retired = inPieces ? other.retired : got.engine.lastRetired;
      const context = () => `seed ${SEED}, program ${n}, ${budget} from 0x${startPc.toString(16)} (instruction ${done})`;
      const report = differences(...subjects);
      if (report.length > 0) {
        const listing = words.map((_, i) => {
          const word = new DataView(expected.ram.view(CODE + (first + i) * 4, 4).slice().buffer).getUint32(0, true);
          return `  ${(CODE + (first + i) * 4).toString(16)} ${decoder.disassemble(word)}`;
        });
        assertEquals(report.length, 0, [context(), ...report, ...listing].join("\n"));
      }
      assertEquals(exits[1], exits[0], context());
      assertEquals(retired, expected.engine.lastRetired, context());
      const [theirs, ours] = [expected, got].map(({ engine }) => engine.cpu.slices.operations);
      if (!inPieces) assertEquals(ours, theirs, `${context()}: arithmetic in software`);
      if (exits[0].kind === "fault-loop") break;
      faults += expected.vcpu.read("ESR_EL1") !== 0n ? 1 : 0;
      done += Math.max(1, expected.engine.lastRetired);
    }
    assertEquals(got.device, expected.device, `program ${n}`);
    assertEquals(haveSameRam(...subjects), true, `seed ${SEED}, program ${n}: RAM differs`);
  }
  assert(faults > 0, "the programs compare nothing");
  return got.engine.cpu.tier1!;
}
