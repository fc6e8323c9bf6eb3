import { assertEquals } from "@std/assert";
import { bench } from "../core/testing.ts";
import { ledBank } from "./led_bank.ts";

const AT = 0x0913_0000;

Deno.test("led_bank: each change is a line; bits beyond the eighth aren't there", async () => {
  using kit = bench();
  await kit.attach(ledBank, { at: AT, port: "leds" });
  kit.write32(AT, 0xffff_ff05);
  kit.write8(AT, 0x05);
  kit.write8(AT, 0x80);
  assertEquals([kit.output("leds"), kit.read32(AT)], ["*.*.....\r\n.......*\r\n", 0x80]);
});
