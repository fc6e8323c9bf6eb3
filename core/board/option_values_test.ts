import { assertEquals } from "@std/assert";
import type { OptionSpec } from "./options.ts";
import { convertOption, parseDuration, parseInteger, parseInterrupt, parseSize } from "./option_values.ts";
import { nearest } from "./suggest.ts";

const rows: [(value: unknown) => number | undefined, unknown, number | undefined][] = [
  [parseInteger, 7, 7],
  [parseInteger, "0x4000_0000", 0x4000_0000],
  [parseInteger, "0b1010", 10],
  [parseInteger, "0o17", 15],
  [parseInteger, "1_000", 1000],
  [parseInteger, "-3", -3],
  [parseInteger, 1.5, undefined],
  [parseInteger, "1e3", undefined],
  [parseInteger, "", undefined],
  [parseInteger, "0x", undefined],
  [parseInteger, true, undefined],
  [parseSize, "512MiB", 2 ** 29],
  [parseSize, "512M", 2 ** 29],
  [parseSize, "1.5 GiB", 3 * 2 ** 29],
  [parseSize, "4KiB", 4096],
  [parseSize, "16B", 16],
  [parseSize, 4096, 4096],
  [parseSize, "0x1000", 4096],
  [parseSize, "512MB", undefined],
  [parseSize, "0.3KiB", undefined],
  [parseSize, "MiB", undefined],
  [parseSize, ["1MiB"], undefined],
  [parseDuration, "10ms", 10e6],
  [parseDuration, "1.5s", 15e8],
  [parseDuration, "250us", 250e3],
  [parseDuration, "2 min", 120e9],
  [parseDuration, 0, 0],
  [parseDuration, 10, undefined],
  [parseDuration, "10", undefined],
  [parseDuration, "0.3ns", undefined],
  [parseInterrupt, "spi 1", 33],
  [parseInterrupt, "SPI 987", 1019],
  [parseInterrupt, "spi 988", undefined],
  [parseInterrupt, "ppi 11", 27],
  [parseInterrupt, "ppi 16", undefined],
  [parseInterrupt, 33, 33],
  [parseInterrupt, "33", 33],
  [parseInterrupt, "spi", undefined],
];
for (const [read, value, want] of rows) {
  Deno.test(`${read.name}: ${JSON.stringify(value)}`, () => assertEquals(read(value), want));
}

const doc = "x";
const problems: [string, OptionSpec, unknown, string][] = [
  ["a number for text", { kind: "text", doc }, 3, "M0103"],
  ["text for a boolean", { kind: "boolean", doc }, "yes", "M0103"],
  ["nothing at all", { kind: "any", doc }, null, "M0103"],
  ["below the least", { kind: "integer", doc, min: 1 }, 0, "M0104"],
  ["above the most", { kind: "integer", doc, max: 8 }, 9, "M0104"],
  ["a negative size", { kind: "size", doc }, -4096, "M0104"],
  ["an INTID of an SGI", { kind: "interrupt", doc }, 5, "M0104"],
  ["more than 53 bits", { kind: "integer", doc }, 2 ** 60, "M0104"],
  ["misaligned", { kind: "address", doc, align: 0x1000 }, 0x0900_0004, "M0105"],
  ["not a choice", { kind: "choice", doc, choices: ["hvc", "smc"] }, "svc", "M0106"],
  ["refused by the plugin", { kind: "text", doc, check: () => "something else" }, "x", "M0107"],
  ["49 bits", { kind: "address", doc }, 2 ** 48, "M0406"],
  ["a list that is none", { kind: "text", doc, list: true }, "x", "M0103"],
  ["an empty image", { kind: "image", doc }, " ", "M0103"],
];
for (const [name, spec, value, code] of problems) {
  Deno.test(`refused: ${name}`, () => {
    const result = convertOption(spec, value);
    assertEquals<string | false>("problem" in result && result.problem.code, code);
  });
}

Deno.test("lists convert each value and say which one is wrong", () => {
  const spec: OptionSpec = { kind: "size", doc, list: true };
  assertEquals(convertOption(spec, ["4KiB", 16]), { value: [4096, 16] });
  const result = convertOption(spec, ["4KiB", "x"]);
  assertEquals("problem" in result && result.problem.index, 1);
});

Deno.test("images that are described in place become JSON text", () => {
  assertEquals(convertOption({ kind: "image", doc }, { initramfs: [] }), { value: '{"initramfs":[]}' });
});

Deno.test("the nearest name is close, or none", () => {
  const names = ["pl011", "gicv3", "generic_timer", "linux_boot"];
  for (
    const [word, want] of [["pl01", "pl011"], ["gicv2", "gicv3"], ["generic-timer", "generic_timer"], ["linuxboot", "linux_boot"], [
      "virtio",
      undefined,
    ], ["x".repeat(500), undefined]] as const
  ) {
    assertEquals(nearest(word, names), want, word);
  }
});
