/**
 * What is declared and what is UNDEFINED, against QEMU: random words up to three
 * bits away from those of `max`, for models that QEMU has a CPU with the same features of.
 */
import { assertEquals } from "@std/assert";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { declarations } from "../../plugins/cpu_a64/isa/mod.ts";
import { modelByName } from "../../plugins/cpu_a64/sysregs/models.ts";
import { findForms, randomWord } from "../differential/forms.ts";
import { skipReason } from "../differential/skips.ts";
import { makeCase } from "../support/case.ts";
import { QemuUser } from "../support/qemu_user.ts";
import { Random } from "../support/random.ts";
import { disassemble, disassembler, missing, qemu } from "../support/toolchain.ts";

const WORDS_PER_FORM = 10;

/** Why a word says nothing about the decoder, or `undefined`. */
function incomparable(word: number): string | undefined {
  if (((word & 0x7c00_0000) >>> 0) === 0x1400_0000) return "B and BL are always allocated";
  if (((word & 0xfe00_0000) >>> 0) === 0xd400_0000) return "declared, and UNDEFINED at EL0: exceptions and system registers";
  if (((word & 0xfffc_0000) >>> 0) === 0xd69c_0000) return "ERET is UNDEFINED at EL0";
  if (word < 0x10000) return "UDF is declared";
  if (((word & 0x3fa0_8000) >>> 0) === 0x0880_0000) return "LDLAR and STLLR: QEMU's CPU has FEAT_LOR, none of our models does";
  return skipReason(word);
}

/** "Advanced SIMD two-register miscellaneous (FP16)": QEMU 7.2 dies of an assertion on unallocated ones. */
const isHalfTwoMisc = (word: number) => ((word & 0x8f7e_0c00) >>> 0) === 0x0e78_0800;

/** Our models, and QEMU's CPUs. */
const models: readonly (readonly [model: string, cpu: string])[] = [["max", "neoverse-n1"], ["cortex-a57", "cortex-a57"]];

for (const [model, cpu] of models) {
  Deno.test({ name: `decoder: ${model} is UNDEFINED where QEMU's ${cpu} is`, ignore: missing(qemu, disassembler) }, async () => {
    const all = new Decoder(declarations, modelByName("max").features);
    const decoder = new Decoder(declarations, modelByName(model).features);
    const random = new Random("decode space");
    const words = new Set<number>();
    for (const form of findForms(all).forms) {
      for (let i = 0; i < WORDS_PER_FORM; i++) {
        let word = randomWord(random, all, form);
        if (typeof word !== "number") continue;
        for (let flips = random.below(4); flips > 0; flips--) word = (word ^ 1 << random.below(32)) >>> 0;
        const decoded = decoder.decode(word);
        if (!decoded && isHalfTwoMisc(word)) continue;
        if (!incomparable(word) && !decoded?.declaration.unpredictable?.(decoded.fields)) words.add(word);
      }
    }
    const list = [...words];
    const oracle = new QemuUser(qemu.command, cpu);
    try {
      const results = await oracle.run(list.map((word) => makeCase(word.toString(16), [word])));
      const wrong = list.filter((word, i) => (results[i].ending === "UNDEFINED") !== (decoder.decode(word) === undefined));
      const texts = disassemble(wrong);
      const lines = wrong.flatMap((word, i) => {
        // QEMU ignores bits of a few half-precision encodings that make them unallocated: objdump's word counts.
        if (!decoder.decode(word) && /; undefined$/.test(texts[i])) return [];
        const declared = decoder.decode(word)
          ? `declared as "${decoder.disassemble(word)}", UNDEFINED in QEMU`
          : "not declared, executes in QEMU";
        return `${word.toString(16).padStart(8, "0")} ${texts[i]}: ${declared}`;
      });
      assertEquals(lines.length, 0, `${lines.length} of ${list.length}\n${lines.slice(0, 60).join("\n")}`);
    } finally {
      oracle.close();
    }
  });
}
