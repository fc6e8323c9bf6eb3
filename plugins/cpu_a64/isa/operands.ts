/** What an instruction's `emit` gets: its fields, as numbers where they are known when code is generated. */
import type { Decoded } from "./decoder.ts";
import type { DecodeEnvironment, Field } from "./dsl.ts";

/** By name: a number if it is known, else where in the word it is. */
export type Operands = Readonly<Record<string, number & Field>>;

/** Those of the variants of all declarations. Each has one object for them: whatever is compiled asks for it, word for word. */
export class VariantOperands {
  readonly #made = new Map<number, Operands>();

  /** @param declarations how many the decoder has */
  constructor(readonly declarations: number, readonly environment: DecodeEnvironment) {}

  /** A number that stands for a variant: the declaration, and the values of its known fields. */
  keyOf({ declaration, index, fields }: Decoded): number {
    let key = 0;
    // A split has at most 64 values; all together fit the 53 bits of a number, as a test makes sure.
    for (const { low, mask } of declaration.knownFields) key = key * (mask + 1) + ((fields.word >>> low) & mask);
    for (const { compute } of declaration.split) key = key * 64 + compute(fields, this.environment);
    return key * this.declarations + index;
  }

  /** @param key the word's, if somebody has it already */
  of(decoded: Decoded, key = this.keyOf(decoded)): Operands {
    const found = this.#made.get(key);
    if (found) return found;
    const { declaration, fields } = decoded;
    const made: Record<string, number | Field> = { ...declaration.operands };
    for (const { name } of declaration.knownFields) made[name] = fields[name];
    for (const { name, compute } of declaration.split) made[name] = compute(fields, this.environment);
    this.#made.set(key, made as Operands);
    return made as Operands;
  }
}
