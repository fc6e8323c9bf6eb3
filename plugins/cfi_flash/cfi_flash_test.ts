import { assert, assertEquals, assertRejects } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { cfiFlash } from "./mod.ts";
import type { CfiFlashOptions } from "./mod.ts";
import { Command, SECTOR_BYTES } from "./commands.ts";
import { placeImage } from "../load/contract.ts";
import { Flash } from "./contract.ts";
import { Random } from "../../tests/support/random.ts";

const BANK = 0x40_0000;
const options: CfiFlashOptions = { at: 0, banks: 2, bank_size: BANK };
const RAM = { at: 0x4000_0000, size: 0x100_0000 };
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** What the guest would load through stage 2; undefined where it would trap. */
function mapped(kit: Bench, ipa: number): bigint | undefined {
  const found = kit.domain.space.lookup(ipa);
  return found && kit.memory.read64(found.pa);
}

Deno.test("a bank that reads its array is read-only memory that runs; one under command is a device, the other stays", async () => {
  using kit = bench({ memory: RAM });
  await kit.attach(cfiFlash, options);
  assertEquals([mapped(kit, 0), mapped(kit, BANK - 8), mapped(kit, BANK), mapped(kit, 2 * BANK - 8)], [
    ALL_ONES,
    ALL_ONES,
    ALL_ONES,
    ALL_ONES,
  ]);
  assertEquals(kit.domain.space.lookup(0)?.mapping, { read: true, write: false, execute: true, type: "normal-wb" });

  kit.write32(BANK, Command.QUERY);
  assertEquals([mapped(kit, BANK), mapped(kit, 2 * BANK - 8)], [undefined, undefined]);
  assertEquals(kit.read32(BANK + 0x40), 0x0051_0051);
  assertEquals(mapped(kit, 0), ALL_ONES);

  kit.write32(BANK, Command.READ_ARRAY);
  assertEquals(mapped(kit, BANK), ALL_ONES);
});

Deno.test("what is programmed is what the mapping shows, also after an erase", async () => {
  using kit = bench({ memory: RAM });
  await kit.attach(cfiFlash, options);
  const at = SECTOR_BYTES + 0x1238;
  for (const value of [0x1111_2222, 0x3333_4444]) {
    kit.write32(at, Command.ERASE);
    kit.write32(at, Command.CONFIRM);
    kit.write32(at, Command.PROGRAM);
    kit.write32(at, value);
    kit.write32(0, Command.READ_ARRAY);
    assertEquals(mapped(kit, at), 0xffff_ffff_0000_0000n | BigInt(value));
    assertEquals(kit.engine.written.at(-1)?.size, SECTOR_BYTES, "the engine hears of it");
  }
  assertEquals(mapped(kit, 0), ALL_ONES);
  assertEquals(mapped(kit, 2 * SECTOR_BYTES), ALL_ONES);
  kit.write32(at, Command.ERASE);
  kit.write32(at, Command.CONFIRM);
  kit.write32(0, Command.READ_ARRAY);
  assertEquals(mapped(kit, at), ALL_ONES);
});

Deno.test("images are placed over banks and sectors, once in a domain's life; the contents survive a reboot", async () => {
  using kit = bench({ memory: RAM });
  const state = await kit.attach(cfiFlash, options);
  const flash = kit.get(Flash);
  const image = new Uint8Array(2 * SECTOR_BYTES).map((_, index) => index * 7);
  const from = BANK - SECTOR_BYTES - 8;
  assertEquals(placeImage(kit.domain, flash, from, image), undefined);
  const view = new DataView(image.buffer);
  for (const offset of [0, 8, SECTOR_BYTES + 8, image.length - 8]) {
    assertEquals(mapped(kit, from + offset), view.getBigUint64(offset, true), `offset ${offset}`);
  }
  assert(!flash.holds(2 * BANK - 8, 16) && flash.holds(0, 2 * BANK));
  assertEquals(placeImage(kit.domain, flash, 0x4000_0000, image), undefined);
  assertEquals(kit.domain.readMemory(0x4000_0000, 16), image.subarray(0, 16));
  assert(placeImage(kit.domain, flash, 2 * BANK - 8, image)?.includes("lie outside the guest's memory"));

  kit.write32(from, Command.LOCK);
  kit.write32(from, Command.LOCK_SET);
  kit.write32(BANK, Command.ERASE);
  kit.write32(BANK, Command.CONFIRM);
  using after = bench({ memory: RAM });
  const kept = structuredClone(cfiFlash.keep!(state));
  await after.attach({ ...cfiFlash, state: (o) => Object.assign(cfiFlash.state!(o), kept) }, options);
  after.get(Flash).place(from, new Uint8Array(16));
  assertEquals(mapped(after, from), view.getBigUint64(0, true), "still what was there");
  assertEquals(mapped(after, BANK), ALL_ONES, "and erased what was erased");
  after.write32(from, Command.READ_ID);
  assertEquals(after.read32(BANK - 2 * SECTOR_BYTES + 8), 0, "locks are gone");
});

Deno.test("frames run out: at boot an error that says so, later a slower flash; in the end every frame is back", async () => {
  const small = { at: 0x4000_0000, size: 0x28_0000 }; // the bench's RAM is twice the domain's
  using kit = bench({ memory: small });
  const free = kit.memory.freeFrames;
  await kit.attach(cfiFlash, options);
  for (let sector = 0; sector < 8; sector++) {
    kit.write32(sector * SECTOR_BYTES, Command.PROGRAM);
    kit.write32(sector * SECTOR_BYTES, 0x1000 + sector);
  }
  kit.write32(0, Command.READ_ARRAY);
  const values = Array.from(
    { length: 8 },
    (_, sector) => Number((mapped(kit, sector * SECTOR_BYTES) ?? kit.read64(sector * SECTOR_BYTES)) & 0xffffn),
  );
  assertEquals(values, [0x1000, 0x1001, 0x1002, 0x1003, 0x1004, 0x1005, 0x1006, 0x1007]);
  assert(mapped(kit, 7 * SECTOR_BYTES) === undefined && mapped(kit, 0) !== undefined);
  assert(kit.traced.some((line) => line.startsWith("flash without frames")));
  kit.scope.close((_owner, _hook, error) => {
    throw error;
  });
  assertEquals(kit.memory.freeFrames, free);

  using tiny = bench();
  await assertRejects(() => tiny.attach(cfiFlash, options), Error, "no frames are left for the flash at 0x0: it needs 2 MiB");
});

Deno.test("without translation the flash is a device for every access", async () => {
  const { MemoryBackend } = await import("../../core/mod.ts");
  const { FakeMemoryBackend } = await import("../../core/testing.ts");
  using kit = bench({ memory: RAM, provide: [[MemoryBackend, new FakeMemoryBackend(true)]] });
  await kit.attach(cfiFlash, options);
  kit.get(Flash).place(0x10, Uint8Array.of(1, 2, 3, 4));
  assertEquals(mapped(kit, 0x10), undefined);
  assertEquals([kit.read32(0x10), kit.read32(0x14)], [0x0403_0201, 0xffff_ffff]);
});

Deno.test("every offset class, width and random value through the guest's door", async () => {
  using kit = bench({ memory: RAM });
  await kit.attach(cfiFlash, options);
  const random = new Random("flash");
  const commands = Object.values(Command);
  for (const base of [0, 0x40, SECTOR_BYTES - 8, SECTOR_BYTES, BANK - 8, BANK, 2 * BANK - 8]) {
    for (const [size, bits] of [[1, 8], [2, 16], [4, 32], [8, 64]] as const) {
      for (let round = 0; round < 12; round++) {
        for (let offset = 0; offset < 8; offset += size) {
          kit.write(base + offset, size, random.pick(commands));
          kit.write(base + offset, size, BigInt.asUintN(bits, random.u64()));
          const value = kit.read(base + offset, size);
          assert(value >= 0n && value < 1n << BigInt(bits));
        }
      }
    }
  }
});
