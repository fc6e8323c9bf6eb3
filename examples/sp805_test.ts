import { assertEquals } from "@std/assert";
import { bench } from "../core/testing.ts";
import type { Bench } from "../core/testing.ts";
import { sp805 } from "./sp805.ts";

const AT = 0x0912_0000;
const LATE = 43;
const [LOAD, VALUE, CONTROL, INTCLR, RIS, MIS, LOCK] = [0, 4, 8, 0xc, 0x10, 0x14, 0xc00].map((offset) => AT + offset);
/** Of 24 MHz. */
const TICKS_PER_MS = 24_000;

async function watchdog(): Promise<Bench> {
  const kit = bench();
  await kit.attach(sp805, { at: AT, interrupt: LATE });
  return kit;
}

Deno.test("sp805: Linux finds it by its identification registers", async () => {
  using kit = await watchdog();
  assertEquals([0, 1, 2, 3, 4, 5, 6, 7].map((n) => kit.read32(AT + 0xfe0 + 4 * n)), [0x05, 0x18, 0x14, 0, 0x0d, 0xf0, 0x05, 0xb1]);
});

Deno.test("sp805: counts down from LOAD, interrupts at zero, starts over, and never resets unless told to", async () => {
  using kit = await watchdog();
  kit.write32(LOAD, TICKS_PER_MS - 1);
  kit.advance(5e6);
  assertEquals([kit.read32(VALUE), kit.read32(RIS)], [TICKS_PER_MS - 1, 0], "it is off");
  kit.write32(CONTROL, 1);
  kit.advance(250_000);
  assertEquals(kit.read32(VALUE), TICKS_PER_MS * 3 / 4 - 1);
  kit.advance(749_000);
  assertEquals([kit.read32(RIS), kit.interrupts.level(LATE)], [0, false]);
  kit.advance(1000);
  assertEquals([kit.read32(RIS), kit.read32(MIS), kit.interrupts.level(LATE)], [1, 1, true]);
  kit.advance(500_000);
  assertEquals(kit.read32(VALUE), TICKS_PER_MS / 2 - 1);
  kit.write32(INTCLR, 1);
  assertEquals([kit.read32(RIS), kit.interrupts.level(LATE), kit.read32(VALUE)], [0, false, TICKS_PER_MS - 1]);
  kit.advance(3600e9);
  assertEquals([kit.read32(RIS), kit.domain.outcome], [1, undefined]);
});

Deno.test("sp805: the second zero resets the domain, if the first one's interrupt is still there", async () => {
  using kit = await watchdog();
  kit.write32(LOAD, TICKS_PER_MS - 1);
  kit.write32(CONTROL, 3);
  for (let n = 0; n < 10; n++) {
    kit.advance(1.5e6);
    kit.write32(INTCLR, 0);
  }
  kit.advance(1.9e6);
  assertEquals([kit.interrupts.level(LATE), kit.domain.outcome], [true, undefined]);
  kit.advance(100_000);
  assertEquals(kit.domain.outcome, { kind: "reboot", cause: "its SP805" });
});

Deno.test("sp805: a reset that is asked for late takes a zero after it", async () => {
  using kit = await watchdog();
  kit.write32(LOAD, TICKS_PER_MS - 1);
  kit.write32(CONTROL, 1);
  kit.advance(10.5e6);
  kit.write32(CONTROL, 3);
  assertEquals(kit.domain.outcome, undefined);
  kit.advance(500_000);
  assertEquals(kit.domain.outcome?.kind, "reboot");
});

Deno.test("sp805: under lock nothing but LOCK is written, and a LOAD of 0 resets at once", async () => {
  using kit = await watchdog();
  kit.write32(LOCK, 1);
  kit.write32(LOAD, 0);
  kit.write32(CONTROL, 3);
  assertEquals([LOCK, LOAD, CONTROL].map((register) => kit.read32(register)), [1, 0xffff_ffff, 0]);
  kit.write32(LOCK, 0x1acc_e551);
  assertEquals(kit.read32(LOCK), 0);
  kit.write32(LOAD, 0);
  kit.write32(CONTROL, 3);
  kit.advance(100);
  assertEquals(kit.domain.outcome?.kind, "reboot");
});

Deno.test("sp805: its state is all there is: a second one goes on where the first was", async () => {
  using kit = await watchdog();
  const first = await kit.attach(sp805, { at: AT + 0x1000, interrupt: LATE + 1 });
  kit.write32(AT + 0x1000, TICKS_PER_MS - 1);
  kit.write32(AT + 0x1008, 1);
  kit.advance(250_000);
  using other = bench();
  const state = await other.attach(sp805, { at: AT, interrupt: LATE });
  Object.assign(state.registers, structuredClone(first.registers));
  other.advance(250_000);
  assertEquals(other.read32(VALUE), kit.read32(AT + 0x1004));
});
