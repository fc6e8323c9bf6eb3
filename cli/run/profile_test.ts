import { assertEquals } from "@std/assert";
import { withSymbols } from "./profile.ts";
import { parseSymbols } from "../symbols/guest_symbols.ts";

Deno.test("addresses of a profile get the names of the symbols before them", () => {
  const symbols = parseSymbols("ffff800008010000 T start\nffff800008010040 t helper");
  const named = (text: string) => withSymbols(text, (va) => symbols.nameOf(va));
  assertEquals(named("EL1 0xffff80000801003c"), "EL1 0xffff80000801003c start+0x3c");
  assertEquals(named("0x0000000000400000"), "0x0000000000400000");
});
