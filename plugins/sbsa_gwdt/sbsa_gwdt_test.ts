import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { sbsaGwdt } from "./mod.ts";
import type { WatchdogState } from "./watchdog.ts";

const CONTROL = 0x0910_0000;
const REFRESH = 0x0911_0000;
const [WCS, WOR_LOW, WOR_HIGH, WCV_LOW, WCV_HIGH, W_IIDR] = [0, 8, 0xc, 0x10, 0x14, 0xfcc].map((offset) => CONTROL + offset);
const INTID = 42;
/** The bench's counter: 62.5 MHz. */
const TICK_NS = 16;
const [EN, WS0] = [1, 2];

async function watchdog(revision = 1): Promise<{ kit: Bench; state: WatchdogState }> {
  const kit = bench();
  return { kit, state: await kit.attach(sbsaGwdt, { control: CONTROL, refresh: REFRESH, interrupt: INTID, revision }) };
}

async function started(ticks: number): Promise<Bench> {
  const { kit } = await watchdog();
  kit.write32(WOR_LOW, ticks);
  kit.write32(WCS, EN);
  return kit;
}

const seen = (kit: Bench) => [kit.read32(WCS), kit.interrupts.level(INTID), kit.domain.outcome?.kind];

Deno.test("sbsa_gwdt: off, it counts nothing", async () => {
  const { kit } = await watchdog();
  kit.advance(1e12);
  assertEquals(seen(kit), [0, false, undefined]);
  assertEquals(kit.clock.events.next, undefined);
});

Deno.test("sbsa_gwdt: interrupts when the count exceeds the compare value, and resets the domain one timeout later", async () => {
  const kit = await started(1000);
  kit.advance(1001 * TICK_NS - 1);
  assertEquals(seen(kit), [EN, false, undefined]);
  kit.advance(1);
  assertEquals(seen(kit), [EN | WS0, true, undefined]);
  assertEquals(kit.read64(WCV_LOW), 2001n, "the compare value is set anew");
  kit.advance(1001 * TICK_NS - 1);
  assertEquals(seen(kit), [EN | WS0, true, undefined]);
  kit.advance(1);
  assertEquals(kit.domain.outcome, { kind: "reboot", cause: "its watchdog" });
  kit.advance(1e12);
  assertEquals(kit.clock.events.next, undefined);
});

const refreshes: [name: string, refresh: (kit: Bench) => void][] = [
  ["WRR", (kit) => kit.write32(REFRESH, 0)],
  ["WOR", (kit) => kit.write32(WOR_LOW, 1000)],
  ["WCS", (kit) => kit.write32(WCS, EN)],
];
for (const [name, refresh] of refreshes) {
  Deno.test(`sbsa_gwdt: a write to ${name} is a refresh, before and after the interrupt`, async () => {
    const kit = await started(1000);
    for (const wait of [1000, 1500]) {
      for (let n = 0; n < 10; n++) {
        kit.advance(wait * TICK_NS);
        assertEquals(seen(kit), wait > 1000 ? [EN | WS0, true, undefined] : [EN, false, undefined]);
        refresh(kit);
        assertEquals(seen(kit), [EN, false, undefined]);
      }
    }
  });
}

Deno.test("sbsa_gwdt: switching it off lowers the interrupt and ends the wait", async () => {
  const kit = await started(1000);
  kit.advance(1500 * TICK_NS);
  kit.write32(WCS, 0);
  assertEquals(seen(kit), [0, false, undefined]);
  kit.advance(1e12);
  assertEquals(seen(kit), [0, false, undefined]);
});

Deno.test("sbsa_gwdt: the compare value may be written, as words and whole", async () => {
  const kit = await started(1000);
  kit.write64(WCV_LOW, 0x1_0000_0005n);
  assertEquals([kit.read32(WCV_LOW), kit.read32(WCV_HIGH)], [5, 1]);
  kit.advance(10_000 * TICK_NS);
  assertEquals(seen(kit), [EN, false, undefined]);
  kit.write64(WCV_LOW, 0x2_0000_0000n);
  kit.advance(0);
  assertEquals(seen(kit), [EN, false, undefined], "no half of a doubleword counts by itself");
  kit.write32(WCV_HIGH, 0);
  kit.advance(0);
  assertEquals(seen(kit), [EN | WS0, true, undefined]);
});

for (const [revision, high, ticks] of [[0, 0, 100n], [1, 0xffff, 0xffff_0000_0064n]] as const) {
  Deno.test(`sbsa_gwdt: revision ${revision} and the width of its offset`, async () => {
    const { kit } = await watchdog(revision);
    assertEquals([kit.read32(W_IIDR), kit.read32(REFRESH + 0xfcc)].map((id) => id >>> 16 & 15), [revision, revision]);
    kit.write64(WOR_LOW, 0xffff_ffff_0000_0064n);
    assertEquals(kit.read32(WOR_HIGH), high);
    kit.write32(WCS, EN);
    assertEquals(kit.read64(WCV_LOW), ticks);
  });
}

Deno.test("sbsa_gwdt: an offset of zero ends in a reset, not in a hang", async () => {
  const kit = await started(0);
  kit.advance(3 * TICK_NS);
  assertEquals(kit.domain.outcome?.kind, "reboot");
});

Deno.test("sbsa_gwdt: every offset at every width answers in both frames, and the state stays plain and small", async () => {
  const { kit, state } = await watchdog();
  for (const frame of [CONTROL, REFRESH]) {
    for (let offset = 0; offset < 0x1000; offset++) {
      for (const width of [1, 2, 4, 8]) {
        if (offset % width !== 0) continue; // an alignment fault: core answers it
        for (const value of [0x1234_5678_8765_4321n, 0n, 2n ** 64n - 1n]) {
          kit.write(frame + offset, width, BigInt.asUintN(8 * width, value));
          assert(kit.read(frame + offset, width) < 2n ** BigInt(8 * width));
          if (offset < 0x20) kit.advance(1e9);
        }
      }
    }
  }
  assertEquals(structuredClone(state), state);
  for (const value of Object.values(state.registers)) assert(value >= 0 && value <= 0xffff_ffff);
});
