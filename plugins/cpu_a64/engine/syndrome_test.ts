import { assertEquals } from "@std/assert";
import { accessSyndrome, dataAbortIss, hpfarOf, instructionAbortIss, stepIss, waitIss, watchpointIss } from "./syndrome.ts";

type Row = readonly [what: string, word: number, size: number, isSigned: number, register: number, is64: number, isOrdered: number];

const withSyndrome: readonly Row[] = [
  ["ldr w3, [x1]", 0xb9400023, 2, 0, 3, 0, 0],
  ["ldr x4, [x1, #8]", 0xf9400424, 3, 0, 4, 1, 0],
  ["str xzr, [x1]", 0xf900003f, 3, 0, 31, 1, 0],
  ["strb w5, [x1]", 0x39000025, 0, 0, 5, 0, 0],
  ["strh w6, [x1]", 0x79000026, 1, 0, 6, 0, 0],
  ["ldrsb w7, [x1]", 0x39c00027, 0, 1, 7, 0, 0],
  ["ldrsb x8, [x1]", 0x39800028, 0, 1, 8, 1, 0],
  ["ldrsh w9, [x1]", 0x79c00029, 1, 1, 9, 0, 0],
  ["ldrsw x10, [x1]", 0xb980002a, 2, 1, 10, 1, 0],
  ["ldr w11, [x1, x2]", 0xb862682b, 2, 0, 11, 0, 0],
  ["str w12, [x1, w2, uxtw #2]", 0xb822582c, 2, 0, 12, 0, 0],
  ["ldur w13, [x1, #-4]", 0xb85fc02d, 2, 0, 13, 0, 0],
  ["ldtr x14, [x1]", 0xf840082e, 3, 0, 14, 1, 0],
  ["sttrb w15, [x1]", 0x3800082f, 0, 0, 15, 0, 0],
  ["ldr x16, label", 0x58000010, 3, 0, 16, 1, 0],
  ["ldr w17, label", 0x18000011, 2, 0, 17, 0, 0],
  ["ldrsw x18, label", 0x98000012, 2, 1, 18, 1, 0],
  ["ldar w19, [x1]", 0x88dffc33, 2, 0, 19, 0, 1],
  ["stlr x20, [x1]", 0xc89ffc34, 3, 0, 20, 1, 1],
  ["ldarb w21, [x1]", 0x08dffc35, 0, 0, 21, 0, 1],
  ["ldapr w22, [x1]", 0xb8bfc036, 2, 0, 22, 0, 1],
];

const withoutSyndrome: readonly (readonly [string, number])[] = [
  ["ldp x0, x2, [x1]", 0xa9400820],
  ["ldr x0, [x1], #8", 0xf8408420],
  ["ldr x0, [x1, #8]!", 0xf8408c20],
  ["ldr q0, [x1]", 0x3dc00020],
  ["ldr s0, [x1, x2]", 0xbc626820],
  ["ldur d0, [x1, #-8]", 0xfc5f8020],
  ["ldr d0, label", 0x5c000000],
  ["ldxr w0, [x1]", 0x885f7c20],
  ["stlxr w2, w0, [x1]", 0x8802fc20],
  ["cas w0, w2, [x1]", 0x88a07c22],
  ["ldadd w0, w2, [x1]", 0xb8200022],
  ["swp w0, w2, [x1]", 0xb8208022],
  ["prfm pldl1keep, [x1]", 0xf9800020],
  ["prfm pldl1keep, label", 0xd8000000],
  ["dc zva, x1", 0xd50b7421],
  ["ld1 {v0.16b}, [x1]", 0x4c407020],
];

Deno.test("the access syndrome of loads and stores", () => {
  for (const [what, word, size, isSigned, register, is64, isOrdered] of withSyndrome) {
    const want = 1 << 24 | size << 22 | isSigned << 21 | register << 16 | is64 << 15 | isOrdered << 14;
    assertEquals(accessSyndrome(word).toString(16), want.toString(16), what);
  }
  for (const [what, word] of withoutSyndrome) assertEquals(accessSyndrome(word), 0, what);
});

Deno.test("syndromes have their fields where the manual puts them", () => {
  const access = accessSyndrome(0xb9400023);
  assertEquals(dataAbortIss({ status: 0x07, access }), 1 << 24 | 2 << 22 | 3 << 16 | 0x07);
  assertEquals(dataAbortIss({ status: 0x05, access, isTableWalk: true, isWrite: true }), 1 << 7 | 1 << 6 | 0x05);
  assertEquals(dataAbortIss({ status: 0x10, isExternal: true, isFarInvalid: true, isMaintenance: true }), 0x710);
  assertEquals(instructionAbortIss({ status: 0x0f, isTableWalk: true }), 0x8f);
  assertEquals(waitIss(true), 0x1e0_0001);
  assertEquals([0, 1, 2].map(stepIss), [0x22, 0x100_0022, 0x100_0062]);
  assertEquals(watchpointIss(true), 0x62);
});

Deno.test("HPFAR_EL2 holds the page of the IPA", () => {
  assertEquals(hpfarOf(0x0900_0018), [0x0009_0000, 0]);
  assertEquals(hpfarOf(0xffff_ffff_f000), [0xffff_fff0, 0xff]);
});
