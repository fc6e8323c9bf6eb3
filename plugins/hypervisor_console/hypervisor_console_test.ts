/** EL2's console: what it says, how often, and through which registers. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { checkBoard, HypervisorMap, MapRefusedError } from "../../core/mod.ts";
import type { HypervisorMapping, MemoryType } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { DeviceMemory, mmioSram } from "../mmio_sram/mod.ts";
import type { MmioSramOptions } from "../mmio_sram/mod.ts";
import { boardPl011 } from "../pl011/mod.ts";
import { cpuA64 } from "../cpu_a64/mod.ts";
import { schedulerNull } from "../schedulers/mod.ts";
import { vmsa } from "../vmsa/mod.ts";
import { LINE_LENGTH, LINES_PER_KIND, UartConsole } from "./console.ts";
import { HypervisorConsole, hypervisorConsole } from "./mod.ts";

const UART = 0x1c09_0000, VA = 0x1000_0000_0000n;

/** Maps what is on the bench's bus, and writes down how it was asked. */
class FakeMap implements HypervisorMap {
  readonly asked: unknown[] = [];
  kit!: Bench;

  fixmap(slot: number, pa: number, type: MemoryType): HypervisorMapping {
    this.asked.push([slot, pa, type]);
    if (type === "device-gre") throw new MapRefusedError("attributes", "it is device-ngnre");
    const handler = () => this.kit.host.environment.bus.find(pa)!.handler;
    return {
      va: VA,
      sizeBytes: 4096,
      mapping: { read: true, write: true, execute: false, type },
      read: (offset, size) => BigInt(handler().read(offset, size, undefined)),
      write: (offset, size, value) => handler().write(offset, size, value, undefined),
    };
  }

  ioremap(): HypervisorMapping {
    throw new Error("not needed");
  }

  vmap(): HypervisorMapping {
    throw new Error("not needed");
  }

  unmap(): void {
    this.asked.push("unmap");
  }
}

function kitWithMap(): { kit: Bench; map: FakeMap } {
  const map = new FakeMap();
  const kit = map.kit = bench({ provide: [[HypervisorMap, map]] });
  return { kit, map };
}

const options = (type: MemoryType = "device-ngnre") => ({ at: UART, type });
const lines = (kit: Bench) => kit.output("el2").split("\r\n").slice(0, -1);
const console_ = (kit: Bench) => kit.attach(hypervisorConsole, options(), { boardScope: true });
const uart = (kit: Bench) => kit.attach(boardPl011, { at: UART, port: "el2" } as never, { boardScope: true });

Deno.test("the board, its domains as they start and end; one mapping, given back", async () => {
  const { kit, map } = kitWithMap();
  await uart(kit);
  await console_(kit);
  await kit.boot();
  kit.domain.end({ kind: "crash", report: "\n  vCPU 0: a fault without end\nPC 0x1234" });
  kit.domain.end({ kind: "power-off" });
  assertEquals(lines(kit), [
    "(EL2) Plugboard, board bench: 1 CPU, RAM 2 MiB at 0x4000_0000",
    "(EL2) memory by fake, which translates",
    "(EL2) console at PA 0x1c09_0000, EL2's VA 0x1000_0000_0000, device-ngnre",
    "(EL2) domain guest starts: 1 vCPU, RAM 1 MiB at 0x4000_0000",
    "(EL2) domain guest crashed: vCPU 0: a fault without end",
  ]);
  kit.close();
  kit.host.board.close(() => {});
  assertEquals(map.asked, [[0, UART, "device-ngnre"], "unmap"]);
});

Deno.test("how a domain ended", async () => {
  const rows = [
    [{ kind: "power-off" }, "powered off"],
    [{ kind: "power-off", code: 3 }, "powered off, code 3"],
    [{ kind: "reboot" }, "reboots"],
    [{ kind: "reboot", cause: "watchdog" }, "reboots: watchdog"],
  ] as const;
  for (const [outcome, text] of rows) {
    const { kit } = kitWithMap();
    await uart(kit);
    await console_(kit);
    kit.domain.end(outcome);
    assertEquals(lines(kit).at(-1), `(EL2) domain guest ${text}`);
    kit.close();
  }
});

Deno.test("lines of a kind are so many, so long, and printable", async () => {
  const { kit } = kitWithMap();
  await uart(kit);
  await console_(kit);
  const before = lines(kit).length;
  const console = kit.get(HypervisorConsole);
  for (let n = 0; n < 10 * LINES_PER_KIND; n++) console.print("noise", `noise ${n}`);
  console.print("another", `\x1b[2Jé\n${"x".repeat(1000)}`);
  const printed = lines(kit).slice(before);
  assertEquals(printed.length, LINES_PER_KIND + 1);
  assertEquals(printed[LINES_PER_KIND - 1], `(EL2) noise ${LINES_PER_KIND - 1} (the last line about noise)`);
  assertEquals(printed[LINES_PER_KIND], `(EL2) ?[2J??${"x".repeat(LINE_LENGTH - 9)}...`);
  kit.close();
});

Deno.test("a UART whose FIFO stays full costs characters, and not the machine", () => {
  let reads = 0, writes = 0;
  const full = { read: () => (reads++, 0x20n), write: () => void writes++ } as unknown as HypervisorMapping;
  const state = { printed: new Map(), announced: true, known: new Set<string>() };
  new UartConsole(state, full).print("line", "ab");
  assertEquals([reads, writes], [10_000, 0]); // "(EL2) ab\r\n"
  assertEquals(structuredClone(state), state);
});

Deno.test("what can't be mapped points at its option", async () => {
  const { kit } = kitWithMap();
  await uart(kit);
  await assertRejects(() => kit.attach(hypervisorConsole, options("device-gre"), { boardScope: true }), Error, "it is device-ngnre");
  kit.close();
  const without = kitWithMap();
  await assertRejects(() => console_(without.kit), Error, "no device of the board is at 0x1c09_0000");
  without.kit.close();
});

Deno.test("the UART's page isn't Normal memory of a domain's at the same time", async () => {
  const { kit } = kitWithMap();
  await uart(kit);
  await kit.attach(mmioSram, { regions: [] } as unknown as MmioSramOptions, { boardScope: true });
  await console_(kit);
  assertThrows(
    () => kit.get(DeviceMemory).claim(UART, 4096, "normal-nc", "guest"),
    Error,
    "EL2's console maps 0x1c09_0000 as device-ngnre",
  );
  kit.close();
});

Deno.test("check wants a UART of the board's there", async () => {
  const text = (uart: string) =>
    `board: test
memory: [{ at: 0x4000_0000, size: 64MiB }]
plugins:
  - use: cpu_a64
  - use: vmsa
  - use: scheduler_null
  - { use: hypervisor_console, at: 0x1c09_0000 }
${uart}domains: [{ name: a, memory: [{ at: 0x4000_0000, size: 4MiB }] }]
`;
  const plugins = [boardPl011, cpuA64, hypervisorConsole, schedulerNull, vmsa];
  for (
    const [uart, ...wanted] of [
      ["", "7: no board_pl011 is at 0x1c09_0000 (add - use: board_pl011 under the board's plugins)"],
      [
        "  - { use: board_pl011, at: 0x1c0a_0000, port: el2 }\n",
        "7: no board_pl011 is at 0x1c09_0000 (there is board_pl011 at 0x1c0a_0000)",
      ],
      ["  - { use: board_pl011, at: 0x1c09_0000, port: el2 }\n"],
    ]
  ) {
    const { findings } = await checkBoard(text(uart), "board.yaml", { plugins });
    assertEquals(findings.map(({ title, help, spans }) => `${spans[0].line}: ${title} (${help})`), wanted);
  }
});
