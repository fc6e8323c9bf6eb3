import { assertEquals } from "@std/assert";
import { parseSymbols, withSymbols } from "./profile.ts";

Deno.test("addresses of a profile get the names of the symbols before them", () => {
  const table = [
    "ffff800008010000 T start",
    "ffff800008010040 t helper\t[module]",
    "ffff800008010044 t $x",
    "0000000000000000 A absent",
    "no symbol",
  ].join("\n");
  const symbols = parseSymbols(table);
  assertEquals(symbols.map(({ name }) => name), ["start", "helper"]);
  assertEquals(withSymbols("EL1 0xffff80000801003c", symbols), "EL1 0xffff80000801003c start+0x3c");
  assertEquals(withSymbols("EL1 0xffff800008010048", symbols), "EL1 0xffff800008010048 helper+0x8");
  for (const far of ["0xffff800008020041", "0x0000000000400000"]) assertEquals(withSymbols(far, symbols), far);
});
