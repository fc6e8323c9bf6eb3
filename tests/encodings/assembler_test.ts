/** The disassembly of random words of every instruction form assembles to the same words. */
import { assertEquals } from "@std/assert";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { groups } from "../../plugins/cpu_a64/isa/mod.ts";
import { modelByName } from "../../plugins/cpu_a64/sysregs/models.ts";
import { findForms, randomWord } from "../differential/forms.ts";
import { Random } from "../support/random.ts";
import { assemble, assembler, missing } from "../support/toolchain.ts";
import { assemblerSkip } from "./assembler_skips.ts";

const WORDS_PER_FORM = 24;

const decoder = new Decoder(Object.values(groups).flat(), modelByName("max").features);
const hex = (word: number) => word.toString(16).padStart(8, "0");

for (const [name, group] of Object.entries(groups)) {
  Deno.test({ name: `assembler: ${name}`, ignore: missing(assembler) }, () => {
    const words = new Set<number>();
    for (const form of findForms(decoder, (declaration) => group.includes(declaration)).forms) {
      const random = new Random(`assembler ${form.declaration.bits} ${JSON.stringify(form.known)}`);
      for (let i = 0; i < WORDS_PER_FORM; i++) {
        const word = randomWord(random, decoder, form);
        if (typeof word === "number" && !assemblerSkip(word)) words.add(word);
      }
    }
    const list = [...words];
    const texts = list.map((word) => decoder.disassemble(word));
    const wrong: string[] = [];
    assemble(texts).forEach((result, i) => {
      if ("error" in result) wrong.push(`${hex(list[i])} ${texts[i]}: ${result.error}`);
      else if (result.word !== list[i]) wrong.push(`${hex(list[i])} ${texts[i]}: assembles to ${hex(result.word)}`);
    });
    assertEquals(wrong.length, 0, `${wrong.length} of ${list.length}\n${wrong.slice(0, 40).join("\n")}`);
  });
}
