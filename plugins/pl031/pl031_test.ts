import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { buildDeviceTree, decodeFdt, findNode, textOf } from "../fdt/mod.ts";
import { pl011 } from "../pl011/mod.ts";
import { pl031 } from "./mod.ts";
import type { RtcState } from "./rtc.ts";

const AT = 0x0901_0000;
const [DR, MR, LR, CR, IMSC, RIS, MIS, ICR] = [0, 4, 8, 0xc, 0x10, 0x14, 0x18, 0x1c].map((offset) => AT + offset);
const SECOND = 1e9;
/** The bench's boot time. */
const BOOT = 1_700_000_000;
const INTID = 34;

async function rtc(): Promise<{ kit: Bench; state: RtcState }> {
  const kit = bench();
  return { kit, state: await kit.attach(pl031, { at: AT, interrupt: INTID }) };
}

Deno.test("pl031: counts seconds of virtual time from the board's boot time", async () => {
  const { kit } = await rtc();
  assertEquals([kit.read32(DR), kit.read32(CR)], [BOOT, 1]);
  kit.advance(SECOND - 1);
  assertEquals(kit.read32(DR), BOOT);
  kit.advance(1);
  assertEquals(kit.read32(DR), BOOT + 1);
});

Deno.test("pl031: keeps the time that it is set to, and wraps at 2^32", async () => {
  const { kit } = await rtc();
  kit.advance(5 * SECOND);
  kit.write32(LR, 0xffff_ffff);
  assertEquals([kit.read32(DR), kit.read32(LR)], [0xffff_ffff, 0xffff_ffff]);
  kit.advance(SECOND);
  assertEquals([kit.read32(DR), kit.read32(LR)], [0, 0xffff_ffff]);
  kit.write32(CR, 0);
  assertEquals(kit.read32(CR), 1, "once started, it can't be stopped");
});

Deno.test("pl031: what it was set to survives a reboot, an alarm does not", async () => {
  const { kit, state } = await rtc();
  kit.write32(LR, 1000);
  kit.write32(MR, 1001);
  kit.write32(IMSC, 1);
  const kept = structuredClone(pl031.keep!(state));
  const again = bench();
  const plugin = { ...pl031, state: () => ({ ...pl031.state!({ at: AT, interrupt: INTID }), ...kept }) };
  await again.attach(plugin, { at: AT, interrupt: INTID });
  assertEquals([again.read32(DR), again.read32(MR), again.read32(IMSC)], [1000, 0, 0]);
});

Deno.test("pl031: a match raises the interrupt as a level, until it is cleared", async () => {
  const { kit } = await rtc();
  kit.write32(MR, BOOT + 3);
  kit.write32(IMSC, 1);
  kit.advance(3 * SECOND - 1);
  assertEquals([kit.read32(RIS), kit.read32(MIS), kit.interrupts.level(INTID)], [0, 0, false]);
  kit.advance(1);
  assertEquals(kit.interrupts.level(INTID), true, "without anybody looking");
  assertEquals([kit.read32(RIS), kit.read32(MIS)], [1, 1]);
  kit.advance(10 * SECOND);
  assertEquals(kit.interrupts.level(INTID), true);
  kit.write32(ICR, 0);
  assertEquals(kit.interrupts.level(INTID), true);
  kit.write32(ICR, 1);
  assertEquals([kit.read32(RIS), kit.interrupts.level(INTID)], [0, false]);
  kit.advance(1000 * SECOND);
  assertEquals(kit.interrupts.rises(INTID), 1);
});

Deno.test("pl031: a masked match is pending at the source, and seen when it is unmasked", async () => {
  const { kit } = await rtc();
  kit.write32(MR, BOOT + 1);
  assertEquals(kit.clock.events.next, undefined, "nobody waits for a match that is masked");
  kit.advance(2 * SECOND);
  assertEquals([kit.read32(RIS), kit.read32(MIS), kit.interrupts.level(INTID)], [1, 0, false]);
  kit.write32(IMSC, 1);
  assertEquals([kit.read32(MIS), kit.interrupts.level(INTID)], [1, true]);
  kit.write32(IMSC, 0);
  assertEquals([kit.read32(RIS), kit.interrupts.level(INTID)], [1, false]);
});

const matches: [name: string, steps: (kit: Bench) => void, afterNs: number, raised: number][] = [
  ["of the present second", (kit) => kit.write32(MR, BOOT), 0, 1],
  ["set by loading the time", (kit) => (kit.write32(MR, 7), kit.write32(LR, 7)), 0, 1],
  ["of a second that has passed", (kit) => kit.write32(MR, BOOT - 1), 3600 * SECOND, 0],
  ["beyond the wrap", (kit) => (kit.write32(LR, 0xffff_fffe), kit.write32(MR, 1)), 3 * SECOND, 1],
  ["almost beyond the wrap", (kit) => (kit.write32(LR, 0xffff_fffe), kit.write32(MR, 1)), 3 * SECOND - 1, 0],
  ["that a new time skips", (kit) => (kit.write32(MR, BOOT + 2), kit.write32(LR, BOOT + 3)), 3600 * SECOND, 0],
  ["that a new time brings nearer", (kit) => (kit.write32(MR, BOOT + 900), kit.write32(LR, BOOT + 899)), SECOND, 1],
  ["that passed before the time was set", (kit) => (kit.write32(MR, BOOT + 1), kit.advance(2 * SECOND), kit.write32(LR, 0)), 0, 1],
];
for (const [name, steps, afterNs, raised] of matches) {
  for (const enabled of [0, 1]) {
    Deno.test(`pl031: a match ${name}, ${enabled ? "enabled" : "masked"}`, async () => {
      const { kit } = await rtc();
      kit.write32(IMSC, enabled);
      steps(kit);
      kit.advance(afterNs);
      assertEquals([kit.read32(RIS), kit.interrupts.level(INTID)], [raised, raised === 1 && enabled === 1]);
    });
  }
}

Deno.test("pl031: identification registers; words, halves and bytes", async () => {
  const { kit } = await rtc();
  const bytes = Array.from({ length: 8 }, (_, n) => kit.read32(AT + 0xfe0 + 4 * n));
  assertEquals(bytes, [0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
  assertEquals([kit.read8(DR), kit.read16(DR), kit.read64(DR)], [BOOT & 0xff, BOOT & 0xffff, 0n]);
});

Deno.test("pl031: every offset at every width answers, and the state stays plain and small", async () => {
  const { kit, state } = await rtc();
  const size = JSON.stringify(state).length;
  const values = [0n, 1n, 0x7fff_ffffn, 0x8000_0000n, BigInt(BOOT + 1), 2n ** 64n - 1n];
  for (let offset = 0; offset < 0x1000; offset++) {
    for (const width of [1, 2, 4, 8]) {
      if (offset % width !== 0) continue; // an alignment fault: core answers it
      for (const value of values) {
        kit.write(AT + offset, width, BigInt.asUintN(8 * width, value));
        assert(kit.read(AT + offset, width) < 2n ** BigInt(8 * width));
        if (offset < 0x20) kit.advance(0.3 * SECOND);
      }
    }
  }
  assertEquals(structuredClone(state), state);
  assert(JSON.stringify(state).length < size + 100);
});

Deno.test("pl031: shares its clock's node with a UART", () => {
  const { board } = bench();
  const uses = [[pl011, { at: 0x900_0000, interrupt: 33, port: "console" }], [pl031, { at: AT, interrupt: INTID }]] as const;
  const domain = { ...board.domains[0], plugins: uses.map(([plugin, options]) => ({ plugin, options: { ...options }, path: [] })) };
  const controller = {
    name: "intc",
    properties: { "interrupt-controller": true, "#interrupt-cells": { cells: [3] }, compatible: { text: "arm,gic-v3" } },
  } as const;
  const { root } = decodeFdt(buildDeviceTree(board, domain, [{ under: "/", nodes: [controller] }]));
  const clock = findNode(root, "/apb-pclk")!;
  assertEquals(textOf(clock, "clock-output-names"), ["clk24mhz"]);
  assertEquals(findNode(root, "/pl031@9010000")!.properties.get("clocks"), clock.properties.get("phandle"));
});
