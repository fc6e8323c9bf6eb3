/** Instruction forms (a declaration with fixed known fields), and random words of them. */
import type { Declaration } from "../../plugins/cpu_a64/isa/dsl.ts";
import type { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { Random } from "../support/random.ts";
import { chosenByHand, skipReason } from "./skips.ts";
import { isSystem, systemWord } from "./system_words.ts";

/** One declaration with one value for each of its known fields. */
export interface Form {
  readonly declaration: Declaration;
  /** Position of the declaration in the decoder's list. */
  readonly index: number;
  readonly known: Readonly<Record<string, number>>;
  /** A word of it, for names in reports. */
  readonly example: number;
}

/** How often a form's fields are drawn before we say that no word fits its condition; that those which fit can't be compared. */
const ATTEMPTS = 500, COMPARABLE_ATTEMPTS = 3000;

/** What a search for words found. */
export interface FoundForms {
  readonly forms: Form[];
  /** Reasons why combinations gave no word to compare, with how many. */
  readonly skipped: Map<string, number>;
}

/** All forms of a decoder's declarations for which words can be drawn. */
export function findForms(decoder: Decoder, wanted: (declaration: Declaration) => boolean = () => true): FoundForms {
  const forms: Form[] = [];
  const skipped = new Map<string, number>();
  decoder.declarations.forEach((declaration, index) => {
    if (!wanted(declaration)) return;
    const random = new Random(declaration.bits);
    for (const known of combinations(declaration)) {
      const form = { declaration, index, known, example: 0 };
      const found = randomWord(random, decoder, form);
      if (typeof found === "number") forms.push({ ...form, example: found });
      else if (found) skipped.set(found, (skipped.get(found) ?? 0) + 1);
    }
  });
  return { forms, skipped };
}

/** All values of the known fields, those that no word can have included. */
function combinations({ fields, known }: Declaration): Record<string, number>[] {
  let all: Record<string, number>[] = [{}];
  for (const { name, width } of fields) {
    if (!known.includes(name)) continue;
    const values = Array.from({ length: 2 ** width }, (_, value) => value);
    all = all.flatMap((before) => values.map((value) => ({ ...before, [name]: value })));
  }
  return all;
}

/**
 * A random word of a form. Instead of a word the reason why none can be compared, or
 * `undefined` when the known fields fit no encoding.
 */
export function randomWord(random: Random, decoder: Decoder, form: Form): number | string | undefined {
  const { declaration, index, known } = form;
  let reason: string | undefined;
  let limit = isSystem(declaration.value) ? COMPARABLE_ATTEMPTS : ATTEMPTS;
  for (let attempt = 0; attempt < limit; attempt++) {
    const word = isSystem(declaration.value) ? systemWord(random) : fill(random, form);
    if (((word & declaration.mask) >>> 0) !== declaration.value) continue;
    const fields = declaration.fieldsOf(word);
    if (!declaration.known.every((name) => fields[name] === known[name])) continue;
    if (declaration.when && !declaration.when(fields)) continue;
    limit = COMPARABLE_ATTEMPTS;
    const skip = skipReason(word);
    if (skip) reason = skip;
    else if (declaration.unpredictable?.(fields) && !chosenByHand(word)) reason ??= "CONSTRAINED UNPREDICTABLE";
    else if (decoder.decode(word)?.index !== index) reason ??= "the model lacks it, or another declaration has it";
    else return word;
  }
  return reason;
}

function fill(random: Random, { declaration, known }: Form): number {
  let word = declaration.value;
  let register = random.below(32);
  for (const { name, low, width } of declaration.fields) {
    let value: number;
    if (name in known) value = known[name];
    else if (width === 5 && /^R/.test(name)) {
      // Often the same register twice, or number 31, or 0, which a form may demand.
      if (!random.chance(0.12)) register = random.chance(0.2) ? random.pick([0, 31]) : random.below(32);
      value = register;
    } else value = field(random, width);
    word |= value << low;
  }
  return word >>> 0;
}

function field(random: Random, width: number): number {
  const limit = 2 ** width;
  switch (random.below(6)) {
    case 0:
      return random.pick([0, 1, limit - 1, limit / 2]) % limit;
    case 1:
      return (2 ** random.below(width) - random.below(2) + limit) % limit;
    case 2:
      return random.below(Math.min(limit, 16));
    default:
      return random.below(limit);
  }
}
