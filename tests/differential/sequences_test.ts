/** Straight runs of random instructions against QEMU: what one leaves behind, the next one finds. */
import { assertEquals } from "@std/assert";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { declarations } from "../../plugins/cpu_a64/isa/mod.ts";
import { modelByName } from "../../plugins/cpu_a64/sysregs/mod.ts";
import type { Case } from "../support/case.ts";
import { describeCase, differences } from "../support/compare.ts";
import { CODE_WORDS } from "../support/layout.ts";
import { QemuUser } from "../support/qemu_user.ts";
import { Random, SEED } from "../support/random.ts";
import { missing, qemu } from "../support/toolchain.ts";
import { BareMachine } from "./bare_machine.ts";
import { randomCase, randomMemory } from "./case_generator.ts";
import { findForms, type Form, randomWord } from "./forms.ts";
import { isLoadStore } from "./memory_operands.ts";

const SEQUENCES = 4000;

const decoder = new Decoder(declarations, modelByName("max").features);

/** Branches, exceptions and system instructions: bits 28:26 are 101. */
const isComputation = ({ example }: Form) => !isLoadStore(example) && (example >>> 26 & 7) !== 5 && example >>> 16 !== 0;

Deno.test({ name: "like QEMU: sequences", ignore: missing(qemu) }, async () => {
  const { forms } = findForms(decoder);
  const computations = forms.filter(isComputation);
  const accesses = forms.filter(({ example }) => isLoadStore(example));
  const random = new Random("sequences");
  const memory = randomMemory(random);
  const cases = Array.from({ length: SEQUENCES }, (_, i): Case => {
    // The first may be an access, since its registers are prepared; its neighbours compute with what it loaded.
    const start = randomCase(random, decoder, random.pick(random.chance(0.5) ? accesses : computations), memory, `sequence #${i}`);
    const code = [...start.code];
    while (code.length < CODE_WORDS - 1) {
      const word = randomWord(random, decoder, random.pick(computations));
      if (typeof word === "number") code.push(word);
    }
    return { ...start, code };
  });
  const oracle = new QemuUser(qemu.command);
  try {
    const expected = await oracle.run(cases);
    const got = (["off", "force"] as const).map((tier1) => new BareMachine(modelByName("max"), tier1).run(cases));
    const reports = cases.flatMap((test, i) => {
      // What an access that faults half-way has done is UNKNOWN.
      const ignored = { memory: expected[i].ending === "abort", vectors: expected[i].ending === "abort" };
      const lines = got.flatMap((results) => differences(expected[i], results[i], ignored));
      return lines.length
        ? [[...describeCase(test), ...test.code.map((word) => `  ${decoder.disassemble(word)}`), ...lines].join("\n")]
        : [];
    });
    assertEquals(
      reports.length,
      0,
      `seed ${SEED}: ${reports.length} of ${SEQUENCES} sequences differ\n${reports.slice(0, 2).join("\n\n")}`,
    );
  } finally {
    oracle.close();
  }
});
