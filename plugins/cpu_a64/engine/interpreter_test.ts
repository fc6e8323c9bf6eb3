import { assert, assertEquals } from "@std/assert";
import { Decoder } from "../isa/decoder.ts";
import { declarations } from "../isa/mod.ts";
import { modelByName } from "../sysregs/mod.ts";
import { frequent } from "./frequent.ts";

Deno.test("the number of a variant fits a double exactly", () => {
  for (const { bits, knownFields, split } of declarations) {
    const width = knownFields.reduce((sum, field) => sum + field.width, 0) + 6 * Object.keys(split).length;
    assert(declarations.length * 2 ** width < 2 ** 53, bits);
  }
});

Deno.test("the frequent words are instructions of an Armv8.0 core, each listed once", () => {
  const decoder = new Decoder(declarations, modelByName("cortex-a53").features);
  assertEquals(frequent.filter((word) => decoder.decode(word) === undefined).map((word) => word.toString(16)), []);
  assertEquals(new Set(frequent).size, frequent.length);
});
