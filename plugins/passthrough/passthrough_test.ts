/** Devices that one domain has to itself: the mapping, the lines, the node, and every mistake that a manifest can make. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { checkBoard } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { cpuA64 } from "../cpu_a64/mod.ts";
import { fdt } from "../fdt/mod.ts";
import { gicv2, gicv3 } from "../gic/mod.ts";
import { hypervisorConsole } from "../hypervisor_console/mod.ts";
import { DeviceMemory, mmioSram } from "../mmio_sram/mod.ts";
import type { MmioSramOptions } from "../mmio_sram/mod.ts";
import { boardPl011, pl011 } from "../pl011/mod.ts";
import { pmsa } from "../pmsa/mod.ts";
import { schedulerNull } from "../schedulers/mod.ts";
import { vmsa } from "../vmsa/mod.ts";
import { BoardLines } from "./lines.ts";
import { boardInterrupts, passthrough } from "./mod.ts";
import type { PassthroughOptions } from "./mod.ts";
import { checkProperties, deviceTree } from "./node.ts";
import { take } from "./owners.ts";

const UART = 0x1c09_0000, IPA = 0x0b00_0000;

async function withUart(kit: Bench): Promise<void> {
  await kit.attach(boardInterrupts, {}, { boardScope: true });
  await kit.attach(boardPl011, { at: UART, interrupt: 40, port: "uart" }, { boardScope: true });
}

const give = (kit: Bench, options: Partial<PassthroughOptions> = {}) =>
  kit.attach(passthrough, { at: UART, ipa: IPA, lines: [40], interrupts: [50], ...options } as PassthroughOptions);

Deno.test("the guest's address is the device's page, as the type says; all of it comes back", async () => {
  const kit = bench();
  await withUart(kit);
  await give(kit, { type: "device-ngnrne" });
  const mapping = { read: true, write: true, execute: false, type: "device-ngnrne" } as const;
  assertEquals(kit.domain.space.lookup(IPA), { pa: UART, mapping });
  assertEquals(kit.domain.space.lookup(IPA + 0x1000), undefined);
  kit.scope.close((owner, hook, error) => {
    throw new Error(`${owner} ${hook}`, { cause: error });
  });
  assertEquals(kit.domain.space.lookup(IPA), undefined);
  kit.domain.destroy();
});

Deno.test("a line of the board is the domain's interrupt while the domain has it; its level is there from the first moment", async () => {
  using kit = bench();
  await withUart(kit);
  const uart = kit.host.environment.bus.find(UART)!.handler;
  uart.write(0x38, 4, 0x20n, undefined); // IMSC: transmit
  uart.write(0x00, 4, 0x41n, undefined);
  await give(kit);
  assertEquals([kit.interrupts.level(50), kit.output("uart")], [true, "A"]);
  uart.write(0x44, 4, 0x20n, undefined); // ICR
  assertEquals(kit.interrupts.level(50), false);
  uart.write(0x00, 4, 0x42n, undefined);
  assertEquals([kit.interrupts.level(50), kit.interrupts.rises(50)], [true, 2]);
  kit.scope.close(() => {});
  uart.write(0x44, 4, 0x20n, undefined);
  assertEquals(kit.interrupts.level(50), true, "nobody tells a domain that is gone");
});

Deno.test("lines: wired together, one owner, SPIs only", () => {
  const lines = new BoardLines({ high: new Map() });
  const [a, b] = [lines.output(40, "a"), lines.output(40, "b")];
  const seen: boolean[] = [];
  a.set(true);
  const back = lines.route(40, "guest", (level) => seen.push(level));
  b.set(true);
  a.set(false);
  a.set(false);
  b.set(false);
  b.set(false);
  assertEquals(seen, [true, false]);
  assertThrows(() => lines.route(40, "other", () => seen.push(true)), RangeError, "interrupt 40 belongs to guest, and other wants it");
  back();
  a.set(true);
  lines.route(40, "other", (level) => seen.push(level));
  back(); // twice is once: the line is other's now
  a.set(false);
  assertEquals(seen, [true, false, true, false]);
  for (const intid of [31, 1020, 40.5, -1]) {
    assertThrows(() => lines.output(intid, "a"), RangeError, "is no SPI");
    assertThrows(() => lines.route(intid, "a", () => {}), RangeError, "is no SPI");
  }
  assertEquals(structuredClone(lines.state), lines.state);
});

Deno.test("what a domain can't have when it is built", async () => {
  const rows: [options: Partial<PassthroughOptions>, message: string][] = [
    [{ at: 0x1c0a_0000 }, "no device of the board is at 0x1c0a_0000"],
    [{ ipa: 0x4000_0000 }, "mapped already"],
    [{ lines: [40, 40], interrupts: [50, 51] }, "the board's interrupt 40 belongs to guest"],
  ];
  for (const [options, message] of rows) {
    using kit = bench();
    await withUart(kit);
    await assertRejects(() => give(kit, options), Error, message);
  }
  using kit = bench();
  await kit.attach(boardPl011, { at: UART, port: "uart" } as never, { boardScope: true });
  await assertRejects(() => give(kit), Error, "board_interrupts provides them");
});

Deno.test("pages have one owner, also when a domain comes later", async () => {
  using kit = bench();
  await withUart(kit);
  await give(kit);
  await assertRejects(() => give(kit, { ipa: IPA + 0x1000, lines: [] }), Error, "the device at 0x1c09_0000 has one owner, guest");
  assertEquals(kit.domain.space.lookup(IPA + 0x1000), undefined);
  const device = kit.host.environment.bus.find(UART)!.handler;
  assertThrows(() => take(device, UART - 0x1000, 0x3000, "later"), RangeError, "later can't have it");
  const back = take(device, UART + 0x1000, 0x2000, "later");
  assertThrows(() => take(device, UART + 0x2000, 0x1000, "third"), RangeError, "has one owner, later");
  back();
  take(device, UART + 0x2000, 0x1000, "third");
  kit.scope.close(() => {});
  take(device, UART, 0x1000, "later");
});

Deno.test("the page isn't Normal for somebody else at the same time", async () => {
  async function withList(): Promise<Bench> {
    const kit = bench();
    await withUart(kit);
    await kit.attach(mmioSram, { regions: [] } as unknown as MmioSramOptions, { boardScope: true });
    return kit;
  }
  using early = await withList();
  early.get(DeviceMemory).claim(UART, 0x1000, "normal-nc", "EL2");
  await assertRejects(() => give(early), Error, "EL2 maps 0x1c09_0000 as normal-nc, and aliases of one page must agree");
  using late = await withList();
  await give(late);
  const claim = () => late.get(DeviceMemory).claim(UART, 0x1000, "normal-nc", "EL2");
  assertThrows(claim, Error, "guest (board_pl011 (registers)) maps 0x1c09_0000");
  late.scope.close(() => {});
  claim();
});

Deno.test("properties, as the manifest writes them", () => {
  const options = {
    at: UART,
    size: 0x1000,
    ipa: IPA,
    lines: [40],
    interrupts: [50],
    node: "serial",
    stdout: true,
  } as unknown as PassthroughOptions;
  const properties = {
    clocks: ["&clk24mhz", "&clk24mhz"],
    "clock-names": ["uartclk", "apb_pclk"],
    "current-speed": 9600,
    "a,flag": true,
    text: "x",
  };
  assertEquals(checkProperties(properties), undefined);
  const [{ nodes }, chosen] = deviceTree({ ...options, compatible: ["arm,pl011", "arm,primecell"], properties });
  assertEquals(nodes!.map(({ name }) => name), ["apb-pclk", "serial@b000000"]);
  assertEquals(nodes![1].properties, {
    compatible: { text: ["arm,pl011", "arm,primecell"] },
    reg: { reg: [[IPA, 0x1000]] },
    interrupts: { interrupts: [{ intid: 50, trigger: "level" }] },
    clocks: { cells: ["&clk24mhz", "&clk24mhz"] },
    "clock-names": { text: ["uartclk", "apb_pclk"] },
    "current-speed": { cells: [9600] },
    "a,flag": true,
    text: { text: "x" },
  });
  assertEquals(chosen.properties, { "stdout-path": { text: "/serial@b000000" } });
  assertEquals(deviceTree({ ...options, properties }), []);
  for (
    const wrong of [[], 7, null, { reg: 1 }, { "a b": 1 }, { a: -1 }, { a: 1.5 }, { a: [] }, { a: [1, "x"] }, { a: { b: 1 } }, { a: false }]
  ) {
    assertEquals(typeof checkProperties(wrong), "string", JSON.stringify(wrong));
  }
});

const plugins: Plugin[] = [
  boardInterrupts,
  boardPl011,
  cpuA64,
  fdt,
  gicv2,
  gicv3,
  hypervisorConsole,
  mmioSram,
  passthrough,
  pl011,
  pmsa,
  schedulerNull,
  vmsa,
];

interface Manifest {
  readonly backend?: string;
  readonly board?: string;
  readonly a?: string;
  readonly b?: string;
}

/** Lines 1 to 13 are the board's, with two of `board`; the first domain's pass-through is on line 17, the second's on 21. */
const manifest = ({ backend = "vmsa", board = "board_interrupts", a = "", b }: Manifest) =>
  `board: test
memory: [{ at: 0x4000_0000, size: 64MiB }]
plugins:
  - { use: cpu_a64, model: ${backend === "vmsa" ? "cortex-a57" : "cortex-r82"} }
  - use: ${backend}
  - use: scheduler_null
  - use: gicv2
  - { use: board_pl011, at: 0x1c09_0000, port: one, interrupt: spi 8 }
  - { use: board_pl011, at: 0x1c0a_0000, port: two }
  - { use: hypervisor_console, at: 0x1c0a_0000 }
  - { use: ${board} }
domains:
  - name: a
    memory: [{ at: 0x4000_0000, size: 4MiB }]
    plugins:
      - use: fdt
      - { use: passthrough, ${a || "at: 0x1c09_0000"} }
  - name: b
    memory: [{ at: 0x4080_0000, size: 4MiB }]
    plugins:
      - { use: ${b === undefined ? "fdt" : `passthrough, ${b}`} }
`;

Deno.test("mistakes are found by check, with their lines", async () => {
  const rows: [manifest: Manifest, ...findings: string[]][] = [
    [{}],
    [{ a: "at: 0x1c09_0000, ipa: 0x0b00_0000, lines: [spi 8], interrupts: [spi 9]" }],
    [{ a: "at: 0x1c0b_0000" }, "17: no device of the board has 0x1c0b_0000 to 0x1c0b_0fff"],
    [{ a: "at: 0x1c09_0000, size: 8KiB" }, "17: no device of the board has 0x1c09_0000 to 0x1c09_1fff"],
    [{ a: "at: 0x1c09_0800" }, "17: at of passthrough is 0x1c09_0800; want a multiple of 0x1000"],
    [{ a: "at: 0x1c0a_0000" }, "17 10: 0x1c0a_0000 to 0x1c0a_0fff is EL2's own console: it can't be a's"],
    [{ b: "at: 0x1c09_0000" }, "21 17: the device at 0x1c09_0000 to 0x1c09_0fff has one owner: a and b both have it"],
    [
      { a: "at: 0x1c09_0000, lines: [spi 8]", b: "at: 0x1c09_0000, lines: [spi 3, spi 8]" },
      "21 17: the device at 0x1c09_0000 to 0x1c09_0fff has one owner: a and b both have it",
      "21 17: the board's interrupt spi 8 (INTID 40) has one owner: a and b both have it",
    ],
    [{ a: "at: 0x1c09_0000, interrupts: [spi 8]" }, "17: 1 interrupts for 0 lines of the board: want one for each"],
    [{ a: "at: 0x1c09_0000, lines: [ppi 3]" }, '17: lines of passthrough is "ppi 3"; want from spi 0 to spi 987'],
    [
      { board: "board_pl011, at: 0x1c0d_0000, port: three", a: "at: 0x1c09_0000, lines: [spi 8]" },
      "8: the interrupt of board_pl011 at 0x1c09_0000 goes nowhere",
      "17: the board's devices have no interrupt lines",
    ],
    [
      { a: "at: 0x1c09_0000, properties: { reg: 1 }" },
      "17: properties of passthrough is a mapping; want properties without reg, which has an option of its own or follows from them",
    ],
    [
      { a: "at: 0x1c09_0000, type: normal-wb" },
      '17: type of passthrough is "normal-wb"; want one of device-ngnrne, device-ngnre, device-ngre, device-gre, normal-nc',
    ],
    [{ backend: "pmsa" }],
    [{ backend: "pmsa", a: "at: 0x1c09_0000, ipa: 0x0b00_0000" }, "17: 0x0b00_0000 can't be 0x1c09_0000: an MPU translates nothing"],
    [{ backend: "pmsa", b: "at: 0x1c09_0000" }, "21 17: the device at 0x1c09_0000 to 0x1c09_0fff has one owner: a and b both have it"],
    [
      { board: "board_pl011, at: 0x1c0d_0000, port: three", b: "at: 0x1c0d_0000, ipa: 0x4080_0000" },
      "8: the interrupt of board_pl011 at 0x1c09_0000 goes nowhere",
      "21 19: passthrough (registers) overlaps the RAM of domain b in domain b",
    ],
  ];
  for (const [text, ...wanted] of rows) {
    const { findings } = await checkBoard(manifest(text), "board.yaml", { plugins });
    const found = findings.map(({ title, spans }) => `${spans.map(({ line }) => line).join(" ")}: ${title}`);
    assertEquals(found, wanted, JSON.stringify(text));
  }
});
