import { assert, assertEquals, assertThrows } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { GpioPins } from "./contract.ts";
import type { GpioState } from "./gpio.ts";
import { pl061 } from "./mod.ts";

const AT = 0x0903_0000;
const INTID = 39;
const ALL = AT + 0x3fc;
const [DIR, IS, IBE, IEV, IE, RIS, MIS, IC, AFSEL] = Array.from({ length: 9 }, (_, n) => AT + 0x400 + 4 * n);

async function gpio(): Promise<{ kit: Bench; state: GpioState; pins: GpioPins }> {
  const kit = bench();
  const state = await kit.attach(pl061, { at: AT, interrupt: INTID, port: "power-key" });
  return { kit, state, pins: kit.get(GpioPins) };
}

Deno.test("pl061: the address says which pins a read or write is about", async () => {
  const { kit, pins } = await gpio();
  kit.write32(DIR, 0x0f);
  kit.write8(ALL, 0xff);
  assertEquals(kit.read8(ALL), 0x0f, "inputs don't take what is written");
  kit.write8(AT + (0x05 << 2), 0);
  assertEquals(kit.read8(ALL), 0x0a);
  pins.setInput(6, true);
  assertEquals([kit.read32(ALL), kit.read32(AT + (0x40 << 2)), kit.read32(AT + (0x02 << 2)), kit.read32(AT)], [0x4a, 0x40, 0x02, 0]);
  pins.setInput(1, true);
  kit.write32(DIR, 0x0d);
  assertEquals(kit.read8(ALL), 0x4a, "pin 1 is an input now");
});

Deno.test("pl061: registers keep eight bits, as bytes and as words", async () => {
  const { kit } = await gpio();
  for (const register of [DIR, IS, IBE, IEV, IE, AFSEL]) {
    kit.write32(register, 0xffff_ffff);
    assertEquals(kit.read32(register), 0xff);
    kit.write8(register, 0x5a);
    assertEquals([kit.read8(register), kit.read32(register)], [0x5a, 0x5a]);
  }
});

/** Pin 2 rises at step 0, falls at step 1. Which of the two raises the interrupt, and whether it stays raised when it is cleared. */
const rows: [name: string, is: number, ibe: number, iev: number, raised: [boolean, boolean], cleared: [boolean, boolean]][] = [
  ["falling edges", 0, 0, 0, [false, true], [false, false]],
  ["rising edges", 0, 0, 4, [true, false], [false, false]],
  ["both edges", 0, 4, 0, [true, true], [false, false]],
  ["both edges, whatever IEV says", 0, 4, 4, [true, true], [false, false]],
  ["low levels", 4, 0, 0, [false, true], [false, true]],
  ["high levels", 4, 0, 4, [true, false], [true, false]],
  ["high levels, whatever IBE says", 4, 4, 4, [true, false], [true, false]],
];
for (const [name, is, ibe, iev, raised, cleared] of rows) {
  Deno.test(`pl061: ${name}`, async () => {
    const { kit, pins } = await gpio();
    for (const [register, value] of [[IS, is], [IBE, ibe], [IEV, iev], [IE, 4]]) kit.write8(register, value);
    for (const step of [0, 1]) {
      pins.setInput(2, step === 0);
      pins.setInput(2, step === 0);
      assertEquals([kit.read8(RIS), kit.read8(MIS), kit.interrupts.level(INTID)], raised[step] ? [4, 4, true] : [0, 0, false]);
      kit.write8(IC, 0xff);
      assertEquals([kit.read8(RIS), kit.interrupts.level(INTID)], cleared[step] ? [4, true] : [0, false]);
    }
  });
}

Deno.test("pl061: an edge that is masked shows in RIS, and interrupts when it is unmasked; outputs don't interrupt", async () => {
  const { kit, pins } = await gpio();
  kit.write8(IEV, 0xff);
  kit.write8(DIR, 0x80);
  pins.setInput(7, true);
  pins.setInput(0, true);
  assertEquals([kit.read8(RIS), kit.read8(MIS), kit.interrupts.level(INTID)], [1, 0, false]);
  kit.write8(IE, 0xff);
  assertEquals([kit.read8(MIS), kit.interrupts.level(INTID)], [1, true]);
  kit.write8(IC, 0xfe);
  assertEquals(kit.interrupts.level(INTID), true);
  kit.write8(IC, 0x01);
  assertEquals(kit.interrupts.level(INTID), false);
});

Deno.test("pl061: a byte presses the power key for 100 ms of virtual time, however many follow", async () => {
  const { kit } = await gpio();
  kit.write8(IBE, 0x08);
  kit.write8(IE, 0x08);
  kit.input("power-key", "x\n");
  assertEquals([kit.read8(ALL), kit.interrupts.rises(INTID)], [0x08, 1]);
  kit.write8(IC, 0x08);
  kit.advance(50e6);
  kit.input("power-key", "y");
  kit.advance(50e6 - 1);
  assertEquals([kit.read8(ALL), kit.interrupts.rises(INTID)], [0x08, 1]);
  kit.advance(1);
  assertEquals([kit.read8(ALL), kit.interrupts.rises(INTID)], [0, 2]);
  kit.write8(IC, 0x08);
  kit.input("power-key", "z");
  assertEquals(kit.read8(ALL), 0x08);
});

Deno.test("pl061: identification registers, and pins that aren't there", async () => {
  const { kit, pins } = await gpio();
  const bytes = Array.from({ length: 8 }, (_, n) => kit.read32(AT + 0xfe0 + 4 * n));
  assertEquals(bytes, [0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
  assertEquals(pins.count, 8);
  for (const pin of [-1, 8, 0.5, NaN]) assertThrows(() => pins.setInput(pin, true), RangeError);
});

Deno.test("pl061: every offset at every width answers, and no state is wider than eight bits", async () => {
  const { kit, state, pins } = await gpio();
  for (let offset = 0; offset < 0x1000; offset++) {
    for (const width of [1, 2, 4, 8]) {
      if (offset % width !== 0) continue; // an alignment fault: core answers it
      for (const value of [0x5aa5_1234_8765_4321n, 0n, 2n ** 64n - 1n]) {
        kit.write(AT + offset, width, BigInt.asUintN(8 * width, value));
        pins.setInput(offset & 7, (offset & 8) !== 0);
        assert(kit.read(AT + offset, width) <= 0xffn);
      }
    }
  }
  assertEquals(structuredClone(state), state);
  const { registers, ...sets } = state;
  for (const value of [...Object.values(registers), ...Object.values(sets)]) assert(value >= 0 && value <= 0xff);
});
