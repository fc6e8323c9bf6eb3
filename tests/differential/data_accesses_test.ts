/**
 * What `dataAccesses` tells of a load or store, against what executing it touches: bytes that it is to write change and no others, and
 * what it loads depends on each byte that it is to read and on no others. Random words of every form, with no other implementation.
 */
import { assert, assertEquals } from "@std/assert";
import type { DataAccess } from "../../core/mod.ts";
import { dataAccesses } from "../../plugins/cpu_a64/engine/data_accesses.ts";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { declarations, groups } from "../../plugins/cpu_a64/isa/mod.ts";
import { modelByName } from "../../plugins/cpu_a64/sysregs/mod.ts";
import type { Case, Result } from "../support/case.ts";
import { CODE, WINDOW, WINDOW_SIZE } from "../support/layout.ts";
import { Random } from "../support/random.ts";
import { BareMachine } from "./bare_machine.ts";
import { randomCase, randomMemory } from "./case_generator.ts";
import { findForms } from "./forms.ts";

const CASES = Number(Deno.env.get("PLUGBOARD_CASES") ?? 3);
const GROUPS = ["loadsStores", "atomics", "simdLoadsStores", "simdStructures"];

const model = modelByName("max");
const wide = { ...model, features: new Set([...model.features, "LRCPC2" as const]) };
const decoder = new Decoder(declarations, wide.features);

/** Offsets in the window of all bytes of some accesses; `undefined` when one lies elsewhere. */
function offsetsOf(accesses: readonly DataAccess[]): Set<number> | undefined {
  const offsets = new Set<number>();
  for (const { address, size } of accesses) {
    // EL0's top byte is a tag.
    const from = Number(address & 0xff_ffff_ffff_ffffn) - WINDOW;
    if (from < 0 || from + size > WINDOW_SIZE) return undefined;
    for (let n = 0; n < size; n++) offsets.add(from + n);
  }
  return offsets;
}

function memoryAfter({ memory }: Case, { written }: Result): Uint8Array {
  const after = memory.slice();
  const view = new DataView(after.buffer);
  for (const { offset, value } of written) view.setBigUint64(offset, value, true);
  return after;
}

/** The same with some bytes of the window turned over. */
function flipped(test: Case, wanted: (offset: number) => boolean): Case {
  return { ...test, memory: test.memory.map((byte, offset) => wanted(offset) ? byte ^ 0xff : byte) };
}

/** CASP of X30 and XZR, which loses what it reads for XZR. */
const isCaspOfXzr = (word: number) => ((word & 0xbfa0_7c00) >>> 0) === 0x0820_7c00 && (word >>> 16 & 31) === 30;

for (const name of GROUPS) {
  Deno.test(`accesses told beforehand are those that execution makes: ${name}`, () => {
    const { forms } = findForms(decoder, (declaration) => groups[name].includes(declaration));
    const machine = new BareMachine(wide);
    const run = (test: Case) => machine.run([test])[0];
    const random = new Random(`accesses of ${name}`);
    const memory = randomMemory(random);
    let [reads, writes] = [0, 0];
    for (const form of forms) {
      for (let n = 0; n < CASES; n++) {
        const test = randomCase(random, decoder, form, memory, name);
        const word = test.code.at(-1)!;
        const report = `${word.toString(16)} ${decoder.disassemble(word)}`;
        const accesses = dataAccesses(word, BigInt(CODE + (test.code.length - 1) * 4), (r) => test.registers.x(r));
        const result = run(test);
        if (result.ending !== "BRK") continue;
        const written = offsetsOf(accesses.filter(({ kind }) => kind !== "read"));
        const read = offsetsOf(accesses.filter(({ kind }) => kind !== "write"));
        if (!written || !read) continue;

        const after = memoryAfter(test, result);
        after.forEach((byte, offset) => assert(byte === memory[offset] || written.has(offset), `${report} writes byte ${offset}`));
        const isStore = accesses.some(({ kind, statusRegister }) => kind === "write" && statusRegister === undefined);
        if (isStore) {
          const other = flipped({ ...test, memory: after }, (offset) => written.has(offset));
          assertEquals(memoryAfter(other, run(other)), after, `${report} writes all of it`);
          writes++;
        }
        // A load-exclusive before it reads for itself.
        if (test.code.length > 1) continue;
        const elsewhere = run(flipped(test, (offset) => !read.has(offset) && !written.has(offset)));
        assertEquals(elsewhere.registers.bytes, result.registers.bytes, `${report} reads nothing else`);
        if (accesses.some(({ register }) => register === 31) || isCaspOfXzr(word)) continue;
        const some = [...read].filter((_, at) => at === 0 || at === read.size - 1 || random.below(read.size) < 2);
        for (const offset of some) {
          const here = run(flipped(test, (one) => one === offset));
          assert(here.registers.bytes.some((byte, at) => byte !== result.registers.bytes[at]), `${report} reads byte ${offset}`);
          reads++;
        }
      }
    }
    assert(reads > forms.length, `${reads} bytes read`);
    assert(writes > forms.length / 10 || name === "atomics", `${writes} stores`);
  });
}
