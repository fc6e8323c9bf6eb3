/** Words read back as objdump reads them: aliases, addresses, names of registers and system instructions. */
import { assertEquals } from "@std/assert";
import { disassembly } from "../../plugins/cpu_a64/engine/disassembly.ts";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { groups } from "../../plugins/cpu_a64/isa/mod.ts";
import { modelByName } from "../../plugins/cpu_a64/sysregs/models.ts";
import { findForms, randomWord } from "../differential/forms.ts";
import { Random } from "../support/random.ts";
import { disassemble, disassembler, missing } from "../support/toolchain.ts";
import { corpus, missingCorpus } from "./corpus.ts";

const WORDS_PER_FORM = 12;
/** Where the first word lies: branches back stay above zero. */
const START = 0x4000_0000;

const decoder = new Decoder(Object.values(groups).flat(), modelByName("max").features);

/** One spelling for numbers, lists and cases; objdump's remarks go. */
function spelled(text: string): string {
  return text.toLowerCase()
    .replace(/\s*(\/\/|;).*$/, "")
    .replace(/#(-?)0x([0-9a-f]+)/g, (_, sign, digits) => `#${sign}${BigInt(`0x${digits}`)}`)
    .replace(/#(-?\d+\.\d+(?:e[+-]\d+)?)/g, (_, number) => `#${Number(number)}`)
    // What MOV moves: with its sign, and as the register's bits.
    .replace(/^(mov ([wx]).*#)(-\d+)$/, (_, rest, width, number) => `${rest}${BigInt.asUintN(width === "w" ? 32 : 64, BigInt(number))}`)
    // A list as the manual has it, and as a range.
    .replace(/v(\d+)\.(\w+)-v(\d+)\.\w+/, (_, first, elements, last) => {
      const count = (Number(last) - Number(first) + 32) % 32 + 1;
      return Array.from({ length: count }, (_, n) => `v${(Number(first) + n) % 32}.${elements}`).join(", ");
    });
}

/** Where objdump says something else, and why that is no finding. */
const elsewhere: readonly { readonly reason: string; readonly covers: (ours: string, theirs: string) => boolean }[] = [
  {
    reason: "MTE: it isn't declared, so SYS has no name for it",
    covers: (ours, theirs) => /^sys #3, c7/.test(ours) && /^dc gz?va,/.test(theirs),
  },
  {
    reason: "no model has EL3, so its registers have no names",
    covers: (ours, theirs) => / s3_6_c/.test(ours) && /_el3\b/.test(theirs),
  },
];

function compare(words: readonly number[]): void {
  const theirs = disassemble(words, START);
  const wrong = words.flatMap((word, i) => {
    const [a, b] = [disassembly(decoder, word, BigInt(START + i * 4)), theirs[i]].map(spelled);
    if (a === b || elsewhere.some(({ covers }) => covers(a, b))) return [];
    return [`${word.toString(16).padStart(8, "0")} objdump: ${b}; here: ${a}`];
  });
  assertEquals(wrong.length, 0, `${wrong.length} of ${words.length}\n${wrong.slice(0, 40).join("\n")}`);
}

for (const [name, group] of Object.entries(groups)) {
  Deno.test({ name: `as objdump has it: ${name}`, ignore: missing(disassembler) }, () => {
    const words = new Set<number>();
    for (const form of findForms(decoder, (declaration) => group.includes(declaration)).forms) {
      const random = new Random(`preferred ${form.declaration.bits} ${JSON.stringify(form.known)}`);
      for (let i = 0; i < WORDS_PER_FORM; i++) {
        const word = randomWord(random, decoder, form);
        if (typeof word === "number") words.add(word);
      }
    }
    compare([...words]);
  });
}

Deno.test({ name: "as objdump has it: the words of real libraries", ignore: missing(disassembler) || missingCorpus() }, () => {
  compare([...corpus().keys()].filter((word) => decoder.decode(word)));
});
