/**
 * An interrupt at each instruction boundary of random programs: both tiers run to it from the same start, find the interrupt pending there, take
 * it where they should, and go on alike. PLUGBOARD_SEED and PLUGBOARD_INTERRUPTED choose other and more programs.
 */
import { assert, assertEquals } from "@std/assert";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { declarations } from "../../plugins/cpu_a64/isa/mod.ts";
import { Random, SEED } from "../support/random.ts";
import { ProgramGenerator, VECTORS } from "./random_program.ts";
import { differences, haveSameRam, model, Subject, type World } from "./tier_subject.ts";

const PROGRAMS = Number(Deno.env.get("PLUGBOARD_INTERRUPTED") ?? 2);
/** The setting up of registers comes first; then so many boundaries, one after the other. */
const FIRST = 16, BOUNDARIES = 120;
/** Instructions after the interrupt came: its handler and some more. */
const AFTER = 40;
/** Vectors for IRQ: from EL1, from EL0. */
const IRQ: Readonly<Record<World, bigint>> = { kernel: BigInt(VECTORS + 0x280), user: BigInt(VECTORS + 0x480) };
const I = 1n << 7n;

const decoder = new Decoder(declarations, model.features);

for (const world of ["kernel", "user"] as const) {
  for (const tier1 of ["force", "on"] as const) {
    Deno.test(`an interrupt at each boundary is taken there with tier 1 ${tier1}, ${world} code`, () => {
      const generator = new ProgramGenerator(decoder);
      const subjects = [new Subject("off", world), new Subject(tier1, world)] as const;
      const [expected, got] = subjects;
      let taken = 0;
      for (let n = 0; n < PROGRAMS; n++) {
        const random = new Random(`interrupts ${world} ${n}`);
        const { first, words } = generator.program(random);
        const data = new Uint8Array(0x1000).map(() => random.chance(0.3) ? random.below(256) : 0);
        for (let boundary = FIRST; boundary < FIRST + BOUNDARIES; boundary++) {
          for (const subject of subjects) subject.start(first, words, data);
          const context = () => `seed ${SEED}, program ${n}, an interrupt after ${boundary} instructions`;
          const both = (budget: number, pend: boolean, startNs: number) => {
            const exits = subjects.map((subject) => subject.run(budget, pend, startNs));
            assertEquals(differences(...subjects), [], context());
            assertEquals(exits[1], exits[0], context());
            assertEquals(got.engine.lastRetired, expected.engine.lastRetired, context());
            return expected.engine.lastRetired;
          };
          let done = 0;
          // What comes to EL2 ends a run before its budget.
          while (done < boundary) done += Math.max(1, both(boundary - done, false, done));
          const { pc, pstate } = expected.vcpu;
          const isAtEl2 = (pstate & 0xcn) === 8n;
          done += both(1, true, done);
          const isOpen = !isAtEl2 && (pstate & I) === 0n;
          if (isOpen) {
            // The handler's first instruction has been executed, or an exit of it.
            const elr = expected.vcpu.read("ELR_EL1"), vbar = expected.vcpu.read("VBAR_EL1");
            // Kernel code may have moved its vectors to where no code is: then that instruction took an exception itself.
            const isLost = vbar !== BigInt(VECTORS) && elr === vbar + ((pstate & 1n) === 0n ? 0x80n : 0x280n);
            if (!isLost) {
              assertEquals(elr, pc, `${context()}: taken elsewhere`);
              taken++;
            }
            if (world === "user") assertEquals(expected.vcpu.pc, IRQ[world] + 4n, context());
          }
          for (const end = done + AFTER; done < end;) done += Math.max(1, both(end - done, false, done));
        }
        assertEquals(haveSameRam(...subjects), true, `seed ${SEED}, program ${n}: RAM differs`);
        assertEquals(got.device, expected.device, `program ${n}`);
      }
      // Handlers mask it until they return.
      assert(taken > PROGRAMS * 10, `${taken} of ${PROGRAMS * BOUNDARIES} were taken`);
      assert(got.engine.cpu.tier1!.stats.regions >= PROGRAMS, "nothing was compiled");
    });
  }
}
