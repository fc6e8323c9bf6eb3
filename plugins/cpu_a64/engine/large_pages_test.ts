import { assertEquals } from "@std/assert";
import { Ram } from "../../../core/memory/ram.ts";
import { Block } from "./block.ts";
import { LargePages } from "./large_pages.ts";
import { BANK_SIZE } from "./layout.ts";
import { READ, RIGHT_READ, type Translation, UPDATE, WRITE } from "./mmu/mod.ts";
import { Tlb } from "./tlb.ts";

const VA = 0x4020_1000, PA = 0x8020_1000;
const NORMAL = 0xff;

function machine() {
  const ram = new Ram([{ at: 0, size: 0x1000 }]);
  const tlb = new Tlb(new Block(ram.wasm, ram.reserve(4096)), ram.reserve(2 * BANK_SIZE), 2);
  const result = {} as Translation;
  const large = new LargePages(tlb, result);
  const bank = tlb.select(0, 1, 1, 1);
  const keep = (changes: Partial<Translation> = {}) => {
    const walked = { pa: PA, rights: RIGHT_READ, attributes: NORMAL, global: true, stage1Bits: 21, sizeBits: 21 };
    Object.assign(result, walked, changes);
    large.keep(bank.address, 0, VA);
  };
  return { tlb, result, large, bank, keep };
}

Deno.test("a large page answers for each address in it, with the rights it has, in its own bank", () => {
  const { tlb, result, large, bank, keep } = machine();
  keep();
  result.pa = 0;
  assertEquals(large.find(bank.address, 0, VA + 0x5008, READ, false), true);
  assertEquals([result.pa, result.rights, result.stage1Bits], [PA + 0x5008, RIGHT_READ, 21]);
  assertEquals(large.find(bank.address, 0, VA, WRITE, false), false);
  assertEquals(large.find(bank.address, 0, VA, UPDATE, false), false);
  assertEquals(large.find(bank.address, 1, VA, READ, false), false);
  assertEquals(large.find(bank.address, 0, VA + 0x20_0000, READ, false), false);
  assertEquals(large.find(tlb.select(0, 1, 2, 1).address, 0, VA, READ, false), false);
});

Deno.test("small pages aren't kept; what is kept of Device memory is for aligned accesses", () => {
  const { large, bank, keep } = machine();
  keep({ sizeBits: 16 });
  assertEquals(large.find(bank.address, 0, VA, READ, false), false);
  keep({ attributes: 4 });
  assertEquals([false, true].map((isUnaligned) => large.find(bank.address, 0, VA, READ, isUnaligned)), [true, false]);
  keep();
  assertEquals(large.find(bank.address, 0, VA, READ, true), true);
});

for (
  const [name, maintain] of [
    ["TLBI of everything", ({ tlb }) => tlb.invalidate(() => true)],
    ["TLBI of another address", ({ tlb, bank }) => tlb.invalidateVa((other) => other === bank, 0, 0x1000)],
    ["the end of a vCPU", ({ tlb }) => tlb.forget(({ vcpu }) => vcpu === 0)],
    ["a bank taken by another context", ({ tlb }) => [2, 3].forEach((asid) => tlb.select(0, 1, asid, 1))],
  ] satisfies [string, (subject: ReturnType<typeof machine>) => void][]
) {
  Deno.test(`a large page is gone after ${name}`, () => {
    const subject = machine();
    subject.keep();
    assertEquals(subject.large.find(subject.bank.address, 0, VA, READ, false), true);
    maintain(subject);
    assertEquals(subject.large.find(subject.bank.address, 0, VA, READ, false), false);
  });
}
