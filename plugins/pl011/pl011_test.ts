import { assert, assertEquals, assertThrows } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { boardPl011, pl011 } from "./mod.ts";
import type { BoardPl011Options } from "./mod.ts";
import { Flag, Offset } from "./registers.ts";
import type { UartState } from "./uart.ts";

const AT = 0x0900_0000;
const [DR, FR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, ICR] = [0, 0x18, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38, 0x3c, 0x40, 0x44]
  .map((offset) => AT + offset);
const [RX, TX, RT] = [1 << 4, 1 << 5, 1 << 6];
const [RXFE, RXFF, TXFE] = [1 << 4, 1 << 6, 1 << 7];
/** One character at 115,200 baud takes 86.8 µs; a generous count. */
const CHARACTER_NS = 90_000;

async function uart(): Promise<{ kit: Bench; state: UartState }> {
  const kit = bench();
  return { kit, state: await kit.attach(pl011, { at: AT, interrupt: 33, port: "console" }) };
}

/** As a driver leaves it: FIFO on, receiver on, receive interrupts unmasked. */
async function started(fifo = true): Promise<Bench> {
  const { kit } = await uart();
  kit.write32(LCR_H, fifo ? 0x70 : 0x60);
  kit.write32(CR, 0x301);
  kit.write32(IMSC, RX | RT);
  return kit;
}

Deno.test("pl011: bytes go out at once, at every width, before anyone enables the UART", async () => {
  const { kit } = await uart();
  kit.write8(DR, 0x48);
  kit.write16(DR, 0x69);
  kit.write32(DR, 0xff21);
  assertEquals(kit.output("console"), "Hi!");
  assertEquals(kit.read32(FR) & (TXFE | RXFE), TXFE | RXFE);
});

Deno.test("pl011: identification registers", async () => {
  const { kit } = await uart();
  const bytes = Array.from({ length: 8 }, (_, n) => kit.read32(AT + 0xfe0 + 4 * n));
  assertEquals(bytes, [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
});

Deno.test("pl011: registers keep their writable bits and reset to the manual's values", async () => {
  const { kit } = await uart();
  assertEquals([kit.read32(CR), kit.read32(IFLS), kit.read32(IMSC), kit.read32(RIS)], [0x300, 0x12, 0, 0]);
  const rows = [[0x20, 0xff], [IBRD - AT, 0xffff], [FBRD - AT, 0x3f], [LCR_H - AT, 0xff], [0x34, 0x3f], [0x38, 0x7ff], [0x48, 7]];
  for (const [offset, mask] of rows) {
    kit.write32(AT + offset, 0xffff_ffff);
    assertEquals(kit.read32(AT + offset), mask, offset.toString(16));
    kit.write32(AT + offset, 0);
  }
});

Deno.test("pl011: the transmit interrupt is a level: pending at the source, seen when unmasked, gone when cleared", async () => {
  const { kit } = await uart();
  kit.write8(DR, 0x41);
  assertEquals([kit.read32(RIS), kit.read32(MIS), kit.interrupts.level(33)], [TX, 0, false]);
  kit.write32(IMSC, TX);
  assertEquals([kit.read32(MIS), kit.interrupts.level(33)], [TX, true]);
  kit.write32(IMSC, 0);
  assertEquals(kit.interrupts.level(33), false);
  kit.write32(IMSC, TX);
  kit.write32(ICR, TX);
  assertEquals([kit.read32(RIS), kit.interrupts.level(33)], [0, false]);
});

Deno.test("pl011: one character raises the receive timeout after 32 bit periods, and reading it lowers the line", async () => {
  const kit = await started();
  kit.input("console", "x");
  assertEquals([kit.read32(FR) & RXFE, kit.read32(RIS), kit.interrupts.level(33)], [0, 0, false]);
  kit.advance(250_000);
  assertEquals(kit.interrupts.level(33), false);
  kit.advance(30_000);
  assertEquals([kit.read32(RIS), kit.interrupts.level(33)], [RT, true]);
  assertEquals(kit.read8(DR), 0x78);
  assertEquals([kit.read32(RIS), kit.interrupts.level(33), kit.read32(FR) & RXFE], [0, false, RXFE]);
  assertEquals(kit.read32(DR), 0);
});

Deno.test("pl011: the receive interrupt follows the trigger level", async () => {
  const kit = await started();
  kit.write32(IFLS, 1 << 3); // 4 of 16
  kit.input("console", "abcd");
  kit.advance(2.5 * CHARACTER_NS);
  assertEquals(kit.interrupts.level(33), false);
  kit.advance(CHARACTER_NS);
  assertEquals([kit.read32(RIS) & RX, kit.interrupts.level(33)], [RX, true]);
  assertEquals(kit.read8(DR), 0x61);
  assertEquals(kit.read32(RIS) & RX, 0);
});

Deno.test("pl011: without FIFO it holds one character", async () => {
  const kit = await started(false);
  kit.input("console", "ab");
  assertEquals([kit.read32(RIS) & RX, kit.read32(FR) & RXFF], [RX, RXFF]);
  kit.advance(10 * CHARACTER_NS);
  assertEquals(kit.read8(DR), 0x61);
  kit.advance(CHARACTER_NS);
  assertEquals(kit.read8(DR), 0x62);
});

Deno.test("pl011: nothing of a flood of input is lost, and the FIFO holds 16", async () => {
  const kit = await started();
  const text = Array.from({ length: 1000 }, (_, n) => String.fromCharCode(0x20 + n % 90)).join("");
  kit.input("console", text);
  kit.advance(100 * CHARACTER_NS);
  assertEquals(kit.read32(FR) & RXFF, RXFF);
  let got = "";
  for (let guard = 0; got.length < text.length && guard < 5000; guard++) {
    if (kit.read32(FR) & RXFE) kit.advance(CHARACTER_NS);
    else got += String.fromCharCode(kit.read8(DR));
  }
  assertEquals(got, text);
});

Deno.test("pl011: input waits until a driver listens: what a starting driver throws away isn't the user's", async () => {
  const { kit } = await uart();
  kit.input("console", "ls\n");
  for (let n = 0; n < 5; n++) { // an early console: a status poll for each character, one more at the end of a line
    kit.read32(FR);
    kit.write8(DR, 0x2e);
    kit.read32(FR);
  }
  kit.write32(LCR_H, 0x70);
  kit.write32(CR, 0x301);
  for (let n = 0; n < 32 && !(kit.read32(FR) & RXFE); n++) kit.read32(DR);
  kit.write32(IMSC, RX | RT);
  assertEquals(kit.read8(DR), 0x6c);
});

Deno.test("pl011: a guest that only polls gets its input", async () => {
  const { kit } = await uart();
  kit.write32(CR, 0x301);
  kit.input("console", "q");
  let polls = 0;
  while (kit.read32(FR) & RXFE) assert(polls++ < 100);
  assertEquals(kit.read8(DR), 0x71);
});

Deno.test("pl011: loopback returns what is sent and sends nothing", async () => {
  const { kit } = await uart();
  kit.write32(CR, 0x381);
  kit.write8(DR, 0x55);
  assertEquals([kit.read8(DR), kit.output("console")], [0x55, ""]);
});

Deno.test("pl011: every offset at every width answers", async () => {
  const { kit } = await uart();
  for (let offset = 0; offset < 0x1000; offset++) {
    for (const size of [1, 2, 4, 8]) {
      if (offset % size !== 0) continue; // an alignment fault: core answers it
      for (const value of [0n, 2n ** 64n - 1n]) kit.write(AT + offset, size, value);
      assert(kit.read(AT + offset, size) < 2n ** BigInt(8 * size));
    }
  }
});

Deno.test("pl011: state is plain data", async () => {
  const { kit, state } = await uart();
  kit.write32(CR, 0x301);
  kit.input("console", "abc");
  assertEquals(structuredClone(state), state);
});

Deno.test("pl011: declares its window, its interrupt and its nodes", () => {
  const { windows, interrupts, deviceTree } = pl011.resources!({ at: AT, interrupt: 33, port: "console" }, { board: bench().board });
  assertEquals(windows, [{ name: "registers", at: AT, size: 0x1000 }]);
  assertEquals(interrupts, [{ name: "combined", intid: 33, trigger: "level" }]);
  assertEquals(deviceTree![1].properties!["stdout-path"], { text: "/pl011@9000000" });
});

Deno.test("pl011 as a generic UART: on from the start, 32 characters, interrupts at half of them or after a pause; the line's registers aren't there", async () => {
  const kit = bench();
  await kit.attach(pl011, { at: AT, interrupt: 33, port: "console", variant: "sbsa" });
  for (const register of [IBRD, FBRD, LCR_H, CR, IFLS]) {
    kit.write32(register, 0xffff_ffff);
    assertEquals(kit.read32(register), 0);
  }
  kit.write32(IMSC, RX | RT);
  assertEquals(kit.read32(IMSC), RX | RT);
  kit.write8(DR, 0x41);
  assertEquals(kit.output("console"), "A");
  const line = () => kit.read32(MIS) !== 0;
  kit.input("console", "x".repeat(40));
  kit.advance(14 * CHARACTER_NS);
  const before = kit.read32(RIS) & RX;
  kit.advance(CHARACTER_NS);
  assertEquals([before, kit.read32(RIS) & RX, line()], [0, RX, true]);
  kit.advance(30 * CHARACTER_NS);
  assertEquals(kit.read32(FR) & RXFF, RXFF);
  let read = 0;
  for (; (kit.read32(FR) & RXFE) === 0; read++) kit.read32(DR);
  assert(read >= 32 && read <= 34, `${read} characters`);
  kit.advance(20 * CHARACTER_NS);
  for (; (kit.read32(FR) & RXFE) === 0; read++) kit.read32(DR);
  assertEquals([read, line()], [40, false]);
  kit.input("console", "y");
  kit.advance(CHARACTER_NS);
  assertEquals(kit.read32(MIS), 0);
  kit.advance(32 * 8681);
  assertEquals(kit.read32(MIS), RT);
  const { deviceTree } = pl011.resources!({ at: AT, interrupt: 33, port: "console", variant: "sbsa" }, { board: kit.board });
  assertEquals(deviceTree![0].nodes!.map(({ name, properties }) => [name, properties!.compatible]), [
    ["sbsa-uart@9000000", { text: "arm,sbsa-uart" }],
  ]);
  assertEquals(deviceTree![1].properties!["stdout-path"], { text: "/sbsa-uart@9000000" });
});

Deno.test("board_pl011: the chip on the physical bus, with a port of its own; it isn't a domain's plugin", async () => {
  using kit = bench();
  const state = await kit.attach(boardPl011, { at: 0x1c09_0000, port: "board" }, { boardScope: true });
  assertEquals(structuredClone(state), state);
  const { handler, at } = kit.host.environment.bus.find(0x1c09_0018)!;
  assertEquals([at, handler.read(Offset.FR, 4, undefined)], [0x1c09_0000, Flag.CTS | Flag.TXFE | Flag.RXFE]);
  handler.write(Offset.DR, 4, 0x41n, undefined);
  handler.write(Offset.DR, 8, 0xffff_ffff_ffff_ff42n, undefined);
  assertEquals(kit.output("board"), "AB");
  // No domain has it unless it is given.
  assertThrows(() => kit.read32(0x1c09_0018), Error, "nothing is there");

  const options: BoardPl011Options = { at: 0x1c09_0000, interrupt: 40, port: "board" };
  const use = { plugin: boardPl011, options: options as unknown as Record<string, unknown>, path: [] };
  const domain = { ...kit.board.domains[0], plugins: [use] };
  const { resources } = boardPl011;
  assertEquals(resources!(options, { board: kit.board, domain }).findings?.map(({ title }) => title), [
    "board_pl011 is a device of the board",
  ]);
  assertEquals(resources!(options, { board: kit.board, domain: kit.board.domains[0] }), {});
  const { windows, findings } = resources!(options, { board: kit.board });
  assertEquals(windows, [{ name: "registers", at: 0x1c09_0000, size: 0x1000 }]);
  assertEquals(findings?.map(({ title }) => title), ["the interrupt of board_pl011 at 0x1c09_0000 goes nowhere"]);
});
