import { assert, assertEquals } from "@std/assert";
import { Ram } from "../../../core/memory/ram.ts";
import { Block } from "./block.ts";
import { BANK_SIZE, LOG_PLACES } from "./layout.ts";
import { Random } from "../../../tests/support/random.ts";
import { loggedPlaces, unlogged, validEntries } from "./tests/bank_log.ts";
import { MOST_BLOCKS, Tlb } from "./tlb.ts";

const GLOBAL = 0x1000, OWN = 0x2000, HOST = 0x5000;
/** An ASID that no bank has. */
const OTHER = 99;

/** An address space with a global page and one of its own, for data and code. */
function filled(inherits?: boolean) {
  const ram = new Ram([{ at: 0, size: 0x1_0000 }]);
  const tlb = new Tlb(new Block(ram.wasm, ram.reserve(4096)), ram.reserve(3 * BANK_SIZE), 3, inherits);
  const bank = tlb.select(0, 1, 1, 1);
  for (const [va, global] of [[GLOBAL, true], [OWN, false]] as const) {
    tlb.fillData(bank, 0, va, HOST, HOST >>> 12, true, true, global);
    tlb.fillFetch(bank, 0, va, 0x9000, global);
  }
  const found = (asid: number, mode = 1) => {
    const other = tlb.select(0, 1, asid, mode);
    return [GLOBAL, OWN].map((va) => [tlb.findData(other, 0, va + 8, true), tlb.findFetch(other, 0, va)]);
  };
  return { tlb, bank, found };
}

const NOTHING = [0, 0], PAGE = [HOST + 8, 0x9000];

Deno.test("a new address space has what is global in the one before, in the same mode", () => {
  const { found } = filled();
  assertEquals(found(1), [PAGE, PAGE]);
  assertEquals(found(2), [PAGE, NOTHING]);
  assertEquals(found(1, 0), [NOTHING, NOTHING]);
});

Deno.test("what EL0 may access is not looked for in the address space before", () => {
  const { tlb, found } = filled();
  tlb.fillData(tlb.select(0, 1, 1, 0), 0, GLOBAL, HOST, HOST >>> 12, true, true, true);
  assertEquals([found(1, 0)[0][0], found(2, 0)[0][0]], [HOST + 8, 0]);
});

Deno.test("where each address space must walk for itself it has nothing", () => {
  assertEquals(filled(false).found(2), [NOTHING, NOTHING]);
});

Deno.test("what was inherited goes by TLBI of its address, with the rest of its block", () => {
  const { tlb, bank, found } = filled();
  tlb.noteBlock(bank, 0, GLOBAL, 21);
  const heir = tlb.select(0, 1, 2, 1);
  tlb.invalidateVa((bank) => bank === heir, 0, 0x8000, OTHER);
  assertEquals(found(2), [NOTHING, NOTHING]);
});

Deno.test("a guest of endlessly many blocks has no more of them remembered than so many, and TLBI of any address takes them all", () => {
  for (const bits of [21, 30]) {
    const { tlb, bank, found } = filled();
    for (let n = 0; n < 2 * MOST_BLOCKS; n++) tlb.noteBlock(bank, 0x1000 + (n >>> 2), (n & 3) << 30, bits);
    assertEquals((bits === 21 ? bank.blocks21 : bank.blocks30).size, MOST_BLOCKS);
    const heir = tlb.select(0, 1, 2, 1);
    assertEquals(found(2), [PAGE, NOTHING]);
    for (const one of [heir, bank]) {
      assertEquals(found(one.asid)[0], PAGE);
      // Of none of these blocks, for all that is remembered.
      tlb.invalidateVa((other) => other === one, 0, 0x80_0000);
      assertEquals(found(one.asid), [NOTHING, NOTHING]);
      assertEquals([one.blocks21.size, one.blocks30.size, one.hasManyBlocks], [0, 0, false]);
    }
  }
});

Deno.test("blocks that are remembered may come again, however many they are", () => {
  const { tlb, bank, found } = filled();
  for (let turn = 0; turn < 2; turn++) {
    for (let n = 0; n < MOST_BLOCKS; n++) tlb.noteBlock(bank, 0x1000 + (n >>> 2), (n & 3) << 30, 30);
  }
  tlb.invalidateVa(() => true, 0, 0x80_0000);
  assertEquals(found(1), [PAGE, PAGE]);
});

Deno.test("TLBI for another address space takes global pages alone, in either half of addresses", () => {
  for (const hi of [0, 0xffff_8000]) {
    const { tlb } = filled();
    const bank = tlb.select(0, 1, 3, 1);
    tlb.invalidate(() => true);
    for (const [va, global] of [[GLOBAL, true], [OWN, false]] as const) {
      tlb.fillData(bank, hi, va, HOST, HOST >>> 12, true, true, global);
      tlb.fillFetch(bank, hi, va, 0x9000, global);
    }
    const found = (va: number) => [tlb.findData(bank, hi, va + 8, true), tlb.findFetch(bank, hi, va)];
    for (const va of [GLOBAL, OWN]) tlb.invalidateVa((other) => other === bank, hi, va, OTHER);
    assertEquals([found(GLOBAL), found(OWN)], [NOTHING, PAGE]);
    tlb.invalidateVa((other) => other === bank, hi, OWN);
    assertEquals(found(OWN), NOTHING);
  }
});

Deno.test("a bank is found by its address while it lives", () => {
  const { tlb, bank } = filled();
  assertEquals(tlb.at(bank.address), bank);
  tlb.forget(({ asid }) => asid === 1);
  assertEquals(tlb.at(bank.address), undefined);
});

Deno.test("no bank lets anybody write to a page of code, and records that are gone are found in none", () => {
  const { tlb, bank, found } = filled();
  found(2);
  tlb.protectFrame(HOST >>> 12);
  assertEquals(tlb.findData(bank, 0, GLOBAL, true), 0);
  assert(tlb.findData(bank, 0, GLOBAL, false) !== 0);
  tlb.dropRecords(0x9000);
  assertEquals(found(2).map(([, records]) => records), [0, 0]);
});

Deno.test("a bank knows which places have had entries, or that it doesn't know; emptying and searching it leaves none", () => {
  const random = new Random("bank");
  const ram = new Ram([{ at: 0, size: 0x1_0000 }]);
  const block = new Block(ram.wasm, ram.reserve(4096));
  const tlb = new Tlb(block, ram.reserve(6 * BANK_SIZE), 6);
  const seen = { known: 0, unknown: 0, inherited: 0 };
  for (let n = 0; n < 2000; n++) {
    const asid = random.below(12), mode = random.below(2);
    const isNew = ![...tlb.banks()].some((bank) => bank.asid === asid && bank.mode === mode);
    const bank = tlb.select(0, 1, asid, mode);
    const count = validEntries(block, bank.address).length;
    if (isNew && count > 0) seen.inherited++;
    // The mode of EL0 begins with nothing, whoever had the bank before.
    if (isNew && mode === 0) assertEquals(count, 0);
    const fills = random.chance(0.02) ? 3 * LOG_PLACES : random.below(60);
    for (let i = 0; i < fills; i++) {
      const va = random.u32() & (random.chance(0.5) ? 0x7f_f000 : 0xffff_f000), hi = random.chance(0.3) ? 0xffff_0000 : random.below(2);
      const frame = 5 + random.below(4);
      if (random.chance(0.7)) tlb.fillData(bank, hi, va, frame << 12, frame, random.chance(0.9), random.chance(0.5), random.chance(0.4));
      else tlb.fillFetch(bank, hi, va, 0x9000 + 16 * random.below(4), random.chance(0.4));
      if (random.chance(0.2)) tlb.invalidateVa((other) => other === bank, hi, va, random.chance(0.5) ? OTHER : undefined);
    }
    seen[loggedPlaces(block, bank.address) === undefined ? "unknown" : "known"]++;
    if (random.chance(0.1)) tlb.protectFrame(5 + random.below(4));
    if (random.chance(0.1)) tlb.dropRecords(0x9000 + 16 * random.below(4));
    for (const { address } of tlb.banks()) assertEquals(unlogged(block, address), [], `${n}`);
    if (random.chance(0.1)) {
      tlb.invalidate((other) => other.asid === asid);
      for (const other of tlb.banks()) if (other.asid === asid) assertEquals(validEntries(block, other.address), [], `${n}`);
    }
  }
  assert(seen.known > 100 && seen.unknown > 10 && seen.inherited > 10, JSON.stringify(seen));
});

Deno.test("what a bank doesn't know it looks for: global entries, pages of code and records, in banks that had more than they note", () => {
  const { tlb, bank, found } = filled();
  for (let n = 0; n < 2 * LOG_PLACES; n++) tlb.fillData(bank, 1, n << 12, 0x7000, 7, true, true, false);
  tlb.fillData(bank, 0, GLOBAL, HOST, HOST >>> 12, true, true, true);
  assertEquals(loggedPlaces(tlb.block, bank.address), undefined);
  assertEquals(found(2), [PAGE, NOTHING]);
  tlb.protectFrame(HOST >>> 12);
  tlb.dropRecords(0x9000);
  assertEquals(tlb.findData(bank, 0, GLOBAL, true), 0);
  assertEquals(tlb.findFetch(bank, 0, OWN), 0);
});
