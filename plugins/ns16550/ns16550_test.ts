import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { ns16550 } from "./mod.ts";
import type { UartState } from "./uart16550.ts";
import { randomBelow } from "../../tests/support/random.ts";

const AT = 0x0904_0000;
const INTID = 34;
const [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7].map((register) => AT + register);
const [THR, FCR] = [RBR, IIR];
/** One character at 115,200 baud takes 86.8 µs; a generous count. */
const CHARACTER_NS = 90_000;

async function uart(options: { reg_shift?: number } = {}): Promise<{ kit: Bench; state: UartState }> {
  const kit = bench();
  const state = await kit.attach(ns16550, {
    at: AT,
    interrupt: INTID,
    port: "console",
    reg_shift: options.reg_shift ?? 0,
    clock_frequency: 1_843_200,
  });
  return { kit, state };
}

/** As a driver leaves it: FIFOs on, trigger at 8, outputs asserted. */
async function started(ier: number): Promise<Bench> {
  const { kit } = await uart();
  kit.write8(FCR, 0x87);
  kit.write8(LCR, 3);
  kit.write8(MCR, 0xb);
  kit.write8(IER, ier);
  return kit;
}

Deno.test("16550: bytes go out at once and the status says so", async () => {
  const { kit } = await uart();
  for (const letter of "Hi!") {
    assertEquals(kit.read8(LSR), 0x60);
    kit.write8(THR, letter.charCodeAt(0));
  }
  assertEquals(kit.output("console"), "Hi!");
});

Deno.test("16550: a driver's probe: enable bits, modem loopback, FIFOs, scratch, none of the successors' registers", async () => {
  const { kit } = await uart();
  kit.write8(IER, 0xff);
  assertEquals(kit.read8(IER), 0x0f);
  kit.write8(IER, 0);
  kit.write8(MCR, 0x1a);
  assertEquals(kit.read8(MSR) & 0xf0, 0x90);
  kit.write8(MCR, 0);
  assertEquals(kit.read8(MSR) & 0xf0, 0xb0);
  assertEquals(kit.read8(IIR) & 0xc0, 0);
  kit.write8(LCR, 0xbf);
  kit.write8(FCR, 1);
  assertEquals(kit.read8(IIR), 0xc1); // a 16650 has its EFR here
  kit.write8(LCR, 0);
  kit.write8(FCR, 0x21);
  assertEquals(kit.read8(IIR) & 0xe0, 0xc0); // a 16750 has bit 5
  kit.write8(SCR, 0xa5);
  assertEquals(kit.read8(SCR), 0xa5);
});

Deno.test("16550: the divisor latch hides behind DLAB", async () => {
  const { kit, state } = await uart();
  kit.write8(LCR, 0x83);
  kit.write8(RBR, 0x34);
  kit.write8(IER, 0x12);
  assertEquals([kit.read8(RBR), kit.read8(IER), state.divisor], [0x34, 0x12, 0x1234]);
  kit.write8(LCR, 3);
  assertEquals([kit.read8(IER), kit.output("console")], [0, ""]);
});

Deno.test("16550: an empty transmitter interrupts when asked, is cleared by looking, and comes back a character later", async () => {
  const kit = await started(0);
  assertEquals(kit.interrupts.level(INTID), false);
  kit.write8(IER, 2);
  assertEquals([kit.interrupts.level(INTID), kit.read8(IIR), kit.interrupts.level(INTID), kit.read8(IIR)], [true, 0xc2, false, 0xc1]);
  for (const letter of "sixteen letters!") kit.write8(THR, letter.charCodeAt(0));
  assertEquals(kit.interrupts.level(INTID), false);
  kit.advance(CHARACTER_NS);
  assertEquals([kit.interrupts.level(INTID), kit.read8(IIR)], [true, 0xc2]);
  assertEquals([kit.interrupts.rises(INTID), kit.output("console")], [2, "sixteen letters!"]);
  kit.write8(IER, 0);
  kit.write8(IER, 2);
  assertEquals(kit.read8(IIR), 0xc2); // enabling it anew is asking anew
});

Deno.test("16550: characters interrupt at the trigger level, and below it after four character times", async () => {
  const kit = await started(1);
  kit.input("console", "abcdefghij");
  kit.advance(6.5 * CHARACTER_NS);
  assertEquals(kit.interrupts.level(INTID), false);
  kit.advance(CHARACTER_NS);
  assertEquals([kit.interrupts.level(INTID), kit.read8(IIR)], [true, 0xc4]);
  assertEquals(kit.read8(RBR), 0x61);
  assertEquals(kit.interrupts.level(INTID), false);
  kit.advance(20 * CHARACTER_NS);
  assertEquals(kit.read8(IIR), 0xc4); // the two late ones
  let text = "";
  while (kit.read8(LSR) & 1) text += String.fromCharCode(kit.read8(RBR));
  assertEquals([text, kit.interrupts.level(INTID)], ["bcdefghij", false]);
  kit.input("console", "z");
  kit.advance(3 * CHARACTER_NS);
  assertEquals(kit.interrupts.level(INTID), false);
  kit.advance(2 * CHARACTER_NS);
  assertEquals([kit.read8(IIR), kit.read8(RBR), kit.read8(IIR)], [0xcc, 0x7a, 0xc1]);
});

Deno.test("16550: nothing of a flood of input is lost", async () => {
  const kit = await started(1);
  const text = Array.from({ length: 1000 }, (_, n) => String.fromCharCode(0x20 + n % 90)).join("");
  kit.input("console", text);
  let got = "";
  for (let guard = 0; got.length < text.length && guard < 5000; guard++) {
    if (kit.read8(LSR) & 1) got += String.fromCharCode(kit.read8(RBR));
    else kit.advance(CHARACTER_NS);
  }
  assertEquals(got, text);
  assertEquals(kit.read8(LSR) & 2, 0);
});

Deno.test("16550: input waits until a driver listens, or polls", async () => {
  const { kit } = await uart();
  kit.input("console", "ls");
  kit.write8(FCR, 7); // clears what came
  kit.read8(LSR);
  assertEquals(kit.read8(RBR), 0);
  let polls = 0;
  while (!(kit.read8(LSR) & 1)) assert(polls++ < 100);
  assertEquals(kit.read8(RBR), 0x6c);
});

Deno.test("16550: loopback returns what is sent, overruns, and changes the modem lines", async () => {
  const kit = await started(0);
  kit.read8(MSR);
  kit.write8(MCR, 0x10);
  assertEquals(kit.read8(MSR), 0x0b); // CTS, DSR and DCD went
  for (let n = 0; n < 17; n++) kit.write8(THR, n);
  kit.write8(IER, 4);
  assertEquals([kit.interrupts.level(INTID), kit.read8(IIR), kit.read8(LSR), kit.read8(LSR)], [true, 0xc6, 0x63, 0x61]);
  assertEquals(Array.from({ length: 17 }, () => kit.read8(RBR)), [...Array(16).keys(), 0]);
  kit.write8(IER, 8);
  kit.write8(MCR, 0x14);
  assertEquals([kit.read8(IIR), kit.read8(MSR)], [0xc1, 0x40]); // RI's rise is no event
  kit.write8(MCR, 0x10);
  assertEquals([kit.read8(IIR), kit.read8(MSR), kit.read8(IIR), kit.output("console")], [0xc0, 0x04, 0xc1, ""]);
});

Deno.test("16550: a stride of four bytes, accessed by words", async () => {
  const { kit } = await uart({ reg_shift: 2 });
  kit.write32(AT + 4 * 7, 0xdead_be5a);
  assertEquals([kit.read32(AT + 4 * 7), kit.read8(AT + 4 * 7 + 1)], [0x5a, 0]);
  kit.write32(AT, 0x58);
  assertEquals(kit.output("console"), "X");
});

Deno.test("16550: every offset at every width answers, and random use never throws", async () => {
  const { kit, state } = await uart();
  for (let offset = 0; offset < 0x1000; offset++) {
    for (const size of [1, 2, 4, 8]) {
      if (offset % size !== 0) continue;
      for (const value of [0n, 2n ** BigInt(8 * size) - 1n]) kit.write(AT + offset, size, value);
      assert(kit.read(AT + offset, size) < 2n ** BigInt(8 * size));
    }
  }
  const random = randomBelow("16550");
  for (let n = 0; n < 20_000; n++) {
    const register = AT + random(8);
    if (random(3) === 0) assert(kit.read8(register) < 256);
    else kit.write8(register, random(256));
    if (random(50) === 0) kit.input("console", "x");
    if (random(20) === 0) kit.advance(random(300_000));
    assert(state.fifo.length <= 16);
    // The pin and IIR agree: looking at anything but an empty transmitter changes nothing.
    if (kit.interrupts.level(INTID)) assertEquals(kit.read8(IIR) & 1, 0);
    else assertEquals(kit.read8(IIR) & 1, 1);
  }
  assertEquals(structuredClone(state), state);
});

Deno.test("16550: declares its window, its interrupt and its node", () => {
  const options = { at: AT, interrupt: INTID, port: "console", reg_shift: 2, clock_frequency: 24_000_000 };
  const { windows, interrupts, deviceTree } = ns16550.resources!(options, { board: bench().board });
  assertEquals(windows, [{ name: "registers", at: AT, size: 0x1000 }]);
  assertEquals(interrupts, [{ name: "interrupt", intid: INTID, trigger: "level" }]);
  assertEquals(deviceTree![0].nodes![0].properties["reg"], { reg: [[AT, 32]] });
  assertEquals(deviceTree![1].properties!["stdout-path"], { text: "/serial@9040000" });
});
