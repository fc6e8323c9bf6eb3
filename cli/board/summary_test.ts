import { assertEquals } from "@std/assert";
import { runSummary } from "./summary.ts";

const figures = {
  outcome: "linux powered off",
  virtualNs: 2e9,
  wallMs: 1000,
  instructions: 2_000_000_000,
  exits: new Map([["mmio", 1234]]),
};

Deno.test("a run in two lines, and what shouldn't be in one more each", () => {
  const lines = ["end    linux powered off; 2.000 s virtual, 1.000 s wall, 2,000,000,000 instructions, 2000 MIPS", "exits  mmio 1,234"];
  assertEquals(runSummary(figures), lines.join("\n"));
  assertEquals(runSummary({ ...figures, traced: new Map([["compiler", 2], ["break before make", 1]]) }).split("\n"), [
    ...lines,
    "tables 1 change of live entries without break-before-make",
    "code   2 pieces of it that only the interpreter could execute, which is a fault of Plugboard: see --trace compiler",
  ]);
});
