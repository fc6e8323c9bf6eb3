import { assertEquals } from "@std/assert";
import { bench } from "../core/testing.ts";
import { ticker } from "./ticker.ts";

const options = { at: 0x0a00_0000, interrupt: 40, period: 500_000 };

Deno.test("ticks come every period, from the write that starts them to the one that ends them", async () => {
  using kit = bench();
  const state = await kit.attach(ticker, options);
  kit.write32(options.at, 1);
  kit.advance(499_999);
  assertEquals([kit.read32(options.at + 4), kit.interrupts.level(40)], [0, false]);
  kit.advance(1);
  assertEquals([kit.read32(options.at + 4), kit.interrupts.level(40)], [1, true]);
  kit.write32(options.at + 8, 1);
  assertEquals(kit.interrupts.level(40), false);
  kit.advance(1_500_000);
  kit.write32(options.at, 0);
  kit.advance(10_000_000);
  assertEquals(state, { CTRL: 0, TICKS: 4, ACK: 0 });
});
