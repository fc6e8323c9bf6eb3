import { assert, assertEquals } from "@std/assert";
import { Bank, blankBank } from "./chip.ts";
import type { BankState } from "./chip.ts";
import { Command, SECTOR_BYTES, Status } from "./commands.ts";
import { randomBelow } from "../../tests/support/random.ts";

const SIZE = 4 * SECTOR_BYTES;
const READY = 0x0080_0080n;

function bankOf(state: BankState = blankBank()) {
  const changes: number[] = [];
  const bank = new Bank(state, SIZE, (sector) => changes.push(sector));
  const both = (command: number) => BigInt(command | command << 16);
  return {
    bank,
    state,
    changes,
    command: (command: number, offset = 0) => bank.write(offset, 4, both(command)),
    word: (offset: number) => bank.read(offset, 4),
    status: () => Number(bank.read(0, 2)),
  };
}

const bits = (...flags: number[]) => flags.reduce((all, flag) => all | flag, Status.READY);

Deno.test("a blank bank is an array of ones", () => {
  const { bank, word, state } = bankOf();
  assert(bank.isArray);
  assertEquals([bank.read(0, 1), word(4), bank.read(SIZE - 8, 8)], [0xffn, 0xffff_ffffn, 0xffff_ffff_ffff_ffffn]);
  assertEquals(state.contents.size, 0);
});

Deno.test("query: what Linux and U-Boot look for, from both chips at once, and its end", () => {
  const { word, command, bank } = bankOf();
  command(Command.QUERY, 0x55 * 4);
  assertEquals([0x10, 0x11, 0x12].map((at) => word(at * 4)), [0x0051_0051n, 0x0052_0052n, 0x0059_0059n]);
  assertEquals(bank.read(0x40, 2), 0x51n, "one chip");
  assertEquals([bank.read(0x40, 1), bank.read(0x41, 1), bank.read(0x42, 1)], [0x51n, 0n, 0x51n], "byte lanes");
  const at = (query: number) => Number(bank.read(query * 4, 2));
  assertEquals(at(0x13) | at(0x14) << 8, 1, "Intel extended command set");
  assertEquals(2 * 2 ** at(0x27), SIZE, "both chips");
  assertEquals([1 + (at(0x2d) | at(0x2e) << 8), 2 * 256 * (at(0x2f) | at(0x30) << 8)], [4, SECTOR_BYTES], "sectors");
  const primary = at(0x15);
  assertEquals([0, 1, 2].map((index) => at(primary + index)), [0x50, 0x52, 0x49]);
  assertEquals([word(0x100 * 4), word(0xfff * 4)], [0n, 0n]);
  command(Command.READ_ARRAY);
  assertEquals(word(0x40), 0xffff_ffffn);
});

Deno.test("identification and lock bits, sector by sector", () => {
  const { word, command } = bankOf();
  command(Command.LOCK);
  command(Command.LOCK_SET, SECTOR_BYTES + 0x40);
  command(Command.READ_ID);
  assertEquals([word(0), word(4)], [0x0089_0089n, 0x0018_0018n]);
  const lock = (sector: number) => Number(word(sector * SECTOR_BYTES + 8) & 1n);
  assertEquals([0, 1, 2, 3].map(lock), [0, 1, 0, 0]);
  command(Command.LOCK);
  command(Command.CONFIRM, SECTOR_BYTES);
  command(Command.READ_ID);
  assertEquals(lock(1), 0);
});

Deno.test("programming clears bits and never sets one; erasing sets a whole sector", () => {
  const { bank, word, command, changes, state } = bankOf();
  const program = (offset: number, size: number, value: bigint) => {
    command(Command.PROGRAM, offset);
    bank.write(offset, size, value);
    assertEquals(word(0), READY);
  };
  program(SECTOR_BYTES + 4, 4, 0x1234_5678n);
  program(SECTOR_BYTES + 4, 4, 0xffff_00ffn);
  program(SECTOR_BYTES + 10, 2, 0xabcdn);
  program(SECTOR_BYTES + 13, 1, 0x55n);
  command(Command.READ_ARRAY);
  assertEquals(word(SECTOR_BYTES + 4), 0x1234_0078n);
  assertEquals([word(SECTOR_BYTES + 8), word(SECTOR_BYTES + 12)], [0xabcd_ffffn, 0xffff_55ffn]);
  assertEquals(word(0), 0xffff_ffffn);

  command(Command.ERASE, SECTOR_BYTES + 0x1000);
  command(Command.CONFIRM, SECTOR_BYTES + 0x1000);
  assertEquals(word(0), READY);
  assert(!bank.isArray);
  command(Command.READ_ARRAY);
  assertEquals(word(SECTOR_BYTES + 4), 0xffff_ffffn);
  assertEquals([state.contents.size, changes], [0, [1, 1, 1, 1, 1]]);
  program(8, 4, 0xffff_ffffn);
  program(8, 1, 0xffn);
  assertEquals([state.contents.size, changes.length], [0, 5], "ones change nothing");
});

Deno.test("a buffered program takes effect when it is confirmed, and not when it isn't", () => {
  for (const [confirmation, done] of [[Command.CONFIRM, true], [Command.READ_ARRAY, false]] as const) {
    const { bank, word, command, status } = bankOf();
    command(Command.BUFFERED_PROGRAM, 0x100);
    assertEquals(word(0), READY, "a buffer is free");
    command(2, 0x100);
    for (const [index, value] of [0x1111_1111n, 0x2222_2222n, 0x3333_3333n].entries()) bank.write(0x100 + index * 4, 4, value);
    command(confirmation, 0x100);
    assertEquals(status(), done ? bits() : bits(Status.PROGRAM_ERROR, Status.ERASE_ERROR));
    command(Command.CLEAR_STATUS);
    assertEquals(status(), bits());
    command(Command.READ_ARRAY);
    assertEquals([word(0x100), word(0x108)], done ? [0x1111_1111n, 0x3333_3333n] : [0xffff_ffffn, 0xffff_ffffn]);
  }
});

Deno.test("what goes wrong shows in the status until it is cleared", () => {
  type Step = (bank: ReturnType<typeof bankOf>) => void;
  const rows: [why: string, step: Step, status: number][] = [
    [
      "erase, not confirmed",
      ({ command }) => (command(Command.ERASE), command(Command.READ_ARRAY)),
      bits(Status.ERASE_ERROR, Status.PROGRAM_ERROR),
    ],
    ["erase of a locked sector", ({ command }) => {
      command(Command.LOCK), command(Command.LOCK_SET), command(Command.ERASE), command(Command.CONFIRM);
    }, bits(Status.ERASE_ERROR, Status.LOCKED)],
    ["program of a locked sector", ({ command, bank }) => {
      command(Command.LOCK), command(Command.LOCK_SET), command(Command.PROGRAM), bank.write(0, 4, 0n);
    }, bits(Status.PROGRAM_ERROR, Status.LOCKED)],
    ["neither lock nor unlock", ({ command }) => (command(Command.LOCK), command(0x77)), bits(Status.ERASE_ERROR, Status.PROGRAM_ERROR)],
    ["more cycles than the buffer has", ({ command, bank }) => {
      command(Command.BUFFERED_PROGRAM), bank.write(0, 2, 1024n);
    }, bits(Status.ERASE_ERROR, Status.PROGRAM_ERROR)],
    ["a buffer over two sectors", ({ command, bank }) => {
      command(Command.BUFFERED_PROGRAM), command(1), bank.write(0, 4, 0n), bank.write(SECTOR_BYTES, 4, 0n);
    }, bits(Status.ERASE_ERROR, Status.PROGRAM_ERROR)],
  ];
  for (const [why, step, status] of rows) {
    const kit = bankOf();
    step(kit);
    assertEquals(kit.status(), status, why);
    kit.command(Command.READ_ARRAY);
    kit.command(Command.READ_STATUS);
    assertEquals(kit.status(), status, `${why}: it stays`);
    kit.command(Command.CLEAR_STATUS);
    assertEquals(kit.status(), bits(), why);
    kit.command(Command.READ_ARRAY);
    assertEquals([kit.word(0), kit.word(SECTOR_BYTES)], [0xffff_ffffn, 0xffff_ffffn], `${why}: nothing changed`);
  }
});

Deno.test("random cycles of every width at every place: bounded state, and the array against a model", () => {
  const random = randomBelow("flash cycles");
  const commands = [...Object.values(Command), 0x00, 0xf0, 0xaa, 0xb0];
  const { bank, state } = bankOf();
  const seen = new Set<string>();
  for (let step = 0; step < 100_000; step++) {
    const size = [1, 2, 4, 8][random(4)];
    const place = [random(64), random(SIZE), SECTOR_BYTES - 8, SIZE - 8][random(4)];
    const offset = Math.min(SIZE - size, place - place % size);
    if (random(4) === 0) {
      const value = bank.read(offset, size);
      assert(value >= 0n && value < 1n << BigInt(8 * size));
      continue;
    }
    const command = BigInt(commands[random(commands.length)]);
    const noise = random(3) === 0 ? BigInt(random(2 ** 31)) << BigInt(random(33)) : 0n;
    const before = new Map([...state.contents].map(([sector, bytes]) => [sector, bytes.slice(0, 64)]));
    const wasErasing = state.cycle === "erase";
    bank.write(offset, size, BigInt.asUintN(8 * size, command | noise << 8n));
    seen.add(state.cycle);
    assert(state.buffer.length <= 1024 && state.remaining <= 1024 && state.contents.size <= 4 && state.locked.size <= 4);
    // Without an erase, no bit goes from 0 to 1.
    for (const [sector, bytes] of wasErasing ? [] : before) {
      const now = state.contents.get(sector);
      // A write of 8 bytes is two cycles, so it can begin an erase and confirm it.
      if (size < 8) assert(now !== undefined && bytes.every((byte, index) => (now[index] & ~byte) === 0), "a bit was set without an erase");
    }
  }
  assertEquals([...seen].sort(), ["buffer-confirm", "buffer-count", "buffer-data", "command", "erase", "lock", "program"]);
});
