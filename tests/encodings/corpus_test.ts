/**
 * Every word in the code of real binaries is declared, and its disassembly
 * assembles to the same word. The binaries are the cross compiler's libraries.
 */
import { assertEquals } from "@std/assert";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { declarations } from "../../plugins/cpu_a64/isa/mod.ts";
import { modelByName } from "../../plugins/cpu_a64/sysregs/models.ts";
import { assemble, assembler, disassemble, disassembler, missing } from "../support/toolchain.ts";
import { assemblerSkip } from "./assembler_skips.ts";
import { corpus, missingCorpus } from "./corpus.ts";

/** What the libraries hold for CPUs that we don't model, chosen at run time: objdump's text, and why it is no finding. */
const elsewhere: readonly [pattern: RegExp, reason: string][] = [
  [/^\.inst|undefined/, "data between functions"],
  [/^udf /, "data between functions"],
  [/\b[zp]\d+[./]|^(ptrue|cntb|cntd|rdffr|setffr|incb|addvl|rdvl|whilel)/, "SVE"],
  [/^(stg|st2g|stzg|stz2g|ldg|ldgm|irg|gmi|addg|subg|subps?)\b/, "MTE"],
  [/^(cpy|set)[pmefgn]+/, "FEAT_MOPS"],
  [/^(retaa|retab|braa|blraa|ldraa)/, "pointer authentication beyond hints"],
];

const decoder = new Decoder(declarations, modelByName("max").features);
const hex = (word: number) => word.toString(16).padStart(8, "0");

Deno.test({ name: "corpus: every word is declared", ignore: missing(disassembler) || missingCorpus() }, () => {
  const words = corpus();
  const undeclared = [...words.keys()].filter((word) => !decoder.decode(word));
  const unknown = new Map<string, { count: number; example: string }>();
  disassemble(undeclared).forEach((text, i) => {
    if (elsewhere.some(([pattern]) => pattern.test(text))) return;
    const mnemonic = text.split(" ")[0];
    const before = unknown.get(mnemonic);
    unknown.set(mnemonic, {
      count: (before?.count ?? 0) + words.get(undeclared[i])!,
      example: before?.example ?? `${hex(undeclared[i])} ${text}`,
    });
  });
  const lines = [...unknown].sort(([, a], [, b]) => b.count - a.count).map(([name, { count, example }]) => `${count} ${name}: ${example}`);
  assertEquals(lines.length, 0, `${lines.length} unknown instructions\n${lines.join("\n")}`);
});

Deno.test({ name: "corpus: every word's disassembly assembles to it", ignore: missing(assembler) || missingCorpus() }, () => {
  const words = [...corpus().keys()].filter((word) => decoder.decode(word) && !assemblerSkip(word));
  const texts = words.map((word) => decoder.disassemble(word));
  const wrong: string[] = [];
  assemble(texts).forEach((result, i) => {
    if ("error" in result) wrong.push(`${hex(words[i])} ${texts[i]}: ${result.error}`);
    else if (result.word !== words[i]) wrong.push(`${hex(words[i])} ${texts[i]}: assembles to ${hex(result.word)}`);
  });
  assertEquals(wrong.length, 0, `${wrong.length} of ${words.length}\n${wrong.slice(0, 40).join("\n")}`);
});
