import { assert, assertEquals, assertThrows } from "@std/assert";
import { OptionError } from "../../../core/mod.ts";
import type { Board } from "../../../core/mod.ts";
import { bench } from "../../../core/testing.ts";
import { MessageInterrupts } from "../contract.ts";
import { gicv2 } from "../gicv2/plugin.ts";
import { gicv2m } from "./plugin.ts";

const AT = 0x0802_0000;
const options = { at: AT, first: 80, count: 16 };

Deno.test("gicv2m: says which SPIs it has; a write makes one pending, once", async () => {
  const kit = bench();
  await kit.attach(gicv2m, options);
  assertEquals([kit.read32(AT + 8), kit.read32(AT + 0x40)], [80 << 16 | 16, 0]);
  kit.write32(AT + 0x40, 83);
  assertEquals([kit.interrupts.rises(83), kit.interrupts.level(83)], [1, false]);
  for (const intid of [0, 79, 96, 0xffff_ffff, 83 | 1 << 16]) kit.write32(AT + 0x40, intid);
  kit.write16(AT + 0x40, 83);
  kit.write64(AT + 0x40, 83n);
  kit.write32(AT + 0x44, 83);
  const rises = Array.from({ length: 16 }, (_, n) => kit.interrupts.rises(80 + n));
  assertEquals(rises, rises.map((_, n) => n === 3 ? 1 : 0));
});

Deno.test("gicv2m: devices' messages are the same, whoever sends them; other addresses are nobody's", async () => {
  const kit = bench();
  await kit.attach(gicv2m, options);
  const messages = kit.get(MessageInterrupts);
  assertEquals([messages.at, messages.size], [AT, 0x1000]);
  messages.write(7, AT + 0x40, 95);
  messages.write(8, AT + 0x40, 95);
  messages.write(8, AT + 0x44, 95);
  for (const data of [79, 96, -1, 2 ** 32]) messages.write(8, AT + 0x40, data);
  assertEquals(kit.interrupts.rises(95), 2);
});

Deno.test("gicv2m: every offset answers at every width", async () => {
  const kit = bench();
  await kit.attach(gicv2m, options);
  const { handler } = kit.scope.claims.window(AT)!.value;
  for (let offset = 0; offset < 0x1000; offset++) {
    for (const width of [1, 2, 4, 8]) {
      const all = 2n ** BigInt(8 * width) - 1n;
      handler.write(offset, width, all, kit.vcpu());
      const value = BigInt(handler.read(offset, width, kit.vcpu()));
      assert(value >= 0n && value <= all);
      if (width !== 4) assertEquals(value, 0n);
    }
  }
});

Deno.test("gicv2m: its node lies below its GIC's, and its SPIs are taken; without a gicv2 it is a mistake", () => {
  const { board } = bench();
  const [domain] = board.domains;
  const withGic: Board = { ...board, plugins: [{ plugin: gicv2, options: { distributor: 0x1234_5000 }, path: [] }] };
  const { deviceTree, interrupts, windows } = gicv2m.resources!(options, { board: withGic, domain });
  assertEquals(deviceTree!.map(({ under, nodes }) => [under, nodes![0].label]), [["/interrupt-controller@12345000", "msi"]]);
  assertEquals(interrupts!.map(({ intid }) => intid), Array.from({ length: 16 }, (_, n) => 80 + n));
  assertEquals(windows!.map(({ at, size }) => [at, size]), [[AT, 0x1000]]);
  assertThrows(() => gicv2m.resources!(options, { board, domain }), OptionError, "only gicv2");
});
