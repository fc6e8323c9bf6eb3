/**
 * The same plugins on page tables and behind an MPU: EL2's console, on-chip memory, the loader, a device by pass-through. The boards differ
 * in CPU and memory backend only; what comes out doesn't differ.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { checkBoard, definePlugin, HypervisorMap, MapRefusedError } from "../core/mod.ts";
import type { HypervisorMapping, Plugin } from "../core/mod.ts";
import { plugins } from "../plugins/mod.ts";
import { changed, debianBoard } from "./guests/debian_images.ts";
import type { Changes } from "./guests/debian_images.ts";
import { Session } from "./guests/session.ts";

const PROBE = "probe.bin", BLOB = "blob.bin";
const blob = Uint8Array.from({ length: 70_001 }, (_, n) => n * 7 ^ n >>> 8);
const root = new URL("../", import.meta.url);
const images = new Map([
  [PROBE, await Deno.readFile(new URL("examples/guests/sram_probe/sram_probe.bin", root))],
  [BLOB, blob],
]);

/** A kind of machine. */
interface World {
  readonly name: string;
  readonly backend: "vmsa" | "pmsa";
  readonly cpu: string;
  /** Of a domain with page tables at EL1. */
  readonly domain: string;
  /** Where EL2 sees its UART. */
  readonly consoleVa: string;
}

const pages: World = { name: "page tables", backend: "vmsa", cpu: "model: cortex-a57", domain: "", consoleVa: "0x1000_00a0_0000" };
const mpu: World = {
  name: "an MPU",
  backend: "pmsa",
  cpu: "model: cortex-r82, mpu_regions: { el1: 32, el2: 32 }",
  domain: "\n      - { use: pmsa_domain, el1: vmsa }",
  consoleVa: "0x0a00_0000",
};
const worlds = [pages, mpu];

const MIB = 2 ** 20, PAGE = 4096;
const RAM = 0x4000_0000, UART = 0x0900_0000, EL2_UART = 0x0a00_0000, SRAM = 0x1000_0000, BLOB_AT = 0x40c0_0123;
const TYPES = ["normal-wb", "normal-wt", "normal-nc", "normal-wb", "device-gre", "device-ngre", "device-ngnre", "device-ngnrne"];

interface Variant {
  /** What an MPU's plan has for EL2's UART, and how many regions. */
  readonly uartType?: string;
  readonly regions?: number;
  /** More options of the pass-through and of the first SRAM. */
  readonly passthrough?: string;
  readonly sram?: string;
  /** More of the board's plugins, and domains. */
  readonly board?: string;
  readonly domains?: string;
}

/** The backend's options: an MPU's regions are planned, so it is told of what EL2 will map. */
function backendOf({ backend }: World, { uartType = "device-ngnre", regions }: Variant): string {
  if (backend === "vmsa") return "use: vmsa";
  const devices = `devices: [{ name: el2_uart, at: ${EL2_UART}, size: 4KiB, type: ${uartType} }]`;
  return `use: pmsa, ${devices}${regions === undefined ? "" : `, regions: ${regions}`}`;
}

/** The pass-through is on line 27, or behind an MPU on 28. */
function boardOf(world: World, variant: Variant = {}): string {
  const regions = TYPES.map((type, n) =>
    `      - { at: ${SRAM + n * PAGE}, size: 4KiB, type: ${type}${n < 3 ? ", permissions: rwx" : ""}${
      n === 0 ? variant.sram ?? "" : ""
    } , domain: probe }`
  );
  return `board: both
memory: [{ at: ${RAM}, size: 32MiB }]
plugins:
  - { ${backendOf(world, variant)} }
  - { use: cpu_a64, ${world.cpu} }
  - use: scheduler_null
  - use: gicv3
  - { use: psci, conduit: hvc }
  - use: board_interrupts
  - { use: board_pl011, at: ${EL2_UART}, port: el2 }
  - { use: hypervisor_console, at: ${EL2_UART} }
  - use: mmio_sram
    regions:
${regions.join("\n")}
  - { use: board_pl011, at: ${UART}, interrupt: spi 1, port: guest }${variant.board ?? ""}
domains:
  - name: probe
    memory: [{ at: ${RAM}, size: 16MiB }]
    plugins:${world.domain}
      - { use: passthrough, at: ${UART}, lines: [spi 1], node: serial, compatible: ["arm,pl011"]${variant.passthrough ?? ""} }
      - use: fdt
      - { use: load, image: ${BLOB}, at: ${BLOB_AT}, through: el2 }
      - { use: linux_boot, kernel: ${PROBE} }
${variant.domains ?? ""}`;
}

/** What a run of the board shows. */
interface Shown {
  readonly guest: string;
  readonly el2: readonly string[];
  readonly exits: ReadonlyMap<string, number>;
}

/** Runs the board: the domain is made to start over once, before its first instruction. */
async function shown(world: World): Promise<Shown> {
  using guest = await Session.start(boardOf(world), { images, wallLimitMs: 30_000 });
  guest.machine.domains[0].end({ kind: "reboot", cause: "the test's wish" });
  await guest.reboot();
  assertEquals(guest.machine.domains[0].readMemory(BLOB_AT, blob.length).every((byte, n) => byte === blob[n]), true);
  assertEquals(guest.finish(), { kind: "power-off", domain: "probe", code: undefined });
  const el2 = guest.ports.get("el2")!.split("\r\n").slice(0, -1);
  return { guest: guest.ports.get("guest")!, el2, exits: guest.machine.stats.exits };
}

Deno.test("one list of plugins, one guest, two worlds: the same output, the same verdicts, the same exits", async () => {
  const [one, other] = [await shown(pages), await shown(mpu)];
  assertEquals(one.guest, other.guest);
  assertMatch(
    one.guest,
    /normal-nc rwx +WB +ok +ok +ok +ok +ok.*device-ngnre rw +WB +96000061 +ok +ok +96000061 +86000010.*SRAM probe: done/s,
  );
  // 36 refused accesses to SRAM and the power-off; the UART's some thousands of accesses are no exits.
  assertEquals([...one.exits].sort(), [["abort", 20], ["hvc", 1], ["mmio", 16]]);
  assertEquals([...other.exits].sort(), [...one.exits].sort());
  const life = [
    "(EL2) domain probe starts: 1 vCPU, RAM 16 MiB at 0x4000_0000",
    "(EL2) domain probe reboots: the test's wish",
    "(EL2) domain probe starts again: 1 vCPU, RAM 16 MiB at 0x4000_0000",
    "(EL2) domain probe powered off",
  ];
  for (const [world, { el2 }] of [[pages, one], [mpu, other]] as const) {
    assertEquals(el2.slice(0, 3), [
      "(EL2) Plugboard, board both: 1 CPU, RAM 32 MiB at 0x4000_0000",
      `(EL2) memory by ${world.backend}, which ${world === mpu ? "maps domains directly" : "translates"}`,
      `(EL2) console at PA 0x0a00_0000, EL2's VA ${world.consoleVa}, device-ngnre`,
    ]);
    assertEquals(el2.slice(-life.length), life);
  }
  assertEquals(one.el2.length, 3 + life.length);
  assertEquals(other.el2[3], "(EL2) pmsa   15 of 32 MPU regions: hypervisor 5 (6 while booting), probe 10 beside it");
});

/** What a request for a mapping comes to. */
type Verdict = "mapped" | MapRefusedError["reason"];

/** Asks for one mapping after the other, while domains are built, and writes down what came of it. */
function asking(verdicts: Record<string, Verdict>): Plugin {
  const data = { read: true, write: true, execute: false, type: "normal-wb" } as const;
  return definePlugin({
    name: "asking",
    doc: "Asks for mappings.",
    options: {},
    needs: [HypervisorMap],
    setup() {},
    attach({ get, domain, onBoot }) {
      const map = get(HypervisorMap);
      const ask = (name: string, request: () => HypervisorMapping, times = 1) => {
        const made: HypervisorMapping[] = [];
        verdicts[name] = "mapped";
        try {
          for (let n = 0; n < times; n++) made.push(request());
        } catch (error) {
          if (!(error instanceof MapRefusedError)) throw error;
          verdicts[name] = error.reason;
        }
        for (const mapping of made) map.unmap(mapping);
      };
      onBoot(() => {
        const { pa } = domain.space.lookup(RAM)!;
        let next = 0x2000_0000;
        ask("a device", () => map.ioremap(0x0b00_0000, 0x100, "device-ngnre"));
        ask("RAM of a guest as it is", () => map.ioremap(pa, PAGE, "normal-wb"));
        ask("RAM of a guest as a device", () => map.ioremap(pa, PAGE, "device-ngnre"));
        ask("EL2's UART once more", () => map.ioremap(EL2_UART, PAGE, "device-ngnre"));
        ask("EL2's UART as another type", () => map.ioremap(EL2_UART, PAGE, "device-gre"));
        ask("frames in another order", () => map.vmap([pa + PAGE, pa], data));
        ask("EL2's data and what lies behind it", () => map.ioremap(0x41fd_f000, 2 * PAGE, "normal-wb"));
        ask("one page 300 times", () => map.ioremap(0x0c00_0000, PAGE, "device-ngnre"), 300);
        ask("40 pages apart from one another", () => map.ioremap(next += 2 * PAGE, PAGE, "device-ngnre"), 40);
        ask("2 GiB", () => map.ioremap(0x10_0000_0000, 2 ** 31, "device-ngnre"));
      });
    },
  });
}

Deno.test("each refusal of the hypervisor's map, on the world where it applies", async () => {
  const seen: Record<string, Record<string, Verdict>> = { vmsa: {}, pmsa: {} };
  for (const world of worlds) {
    const board = boardOf(world, { board: "\n  - use: asking" });
    using guest = await Session.start(board, { images, plugins: [asking(seen[world.backend])], wallLimitMs: 30_000 });
    // The map is as before for those who have a part of it.
    assertEquals(guest.finish().kind, "power-off");
    assertStringIncludes(guest.ports.get("el2")!, "(EL2) domain probe powered off");
  }
  const rows: readonly (readonly [request: string, vmsa: Verdict, pmsa: Verdict])[] = [
    ["a device", "mapped", "mapped"],
    ["RAM of a guest as it is", "mapped", "mapped"],
    ["RAM of a guest as a device", "attributes", "attributes"],
    ["EL2's UART once more", "mapped", "mapped"],
    ["EL2's UART as another type", "mapped", "attributes"],
    ["frames in another order", "mapped", "translation"],
    ["EL2's data and what lies behind it", "mapped", "overlap"],
    ["one page 300 times", "mapped", "references"],
    ["40 pages apart from one another", "mapped", "exhausted"],
    ["2 GiB", "exhausted", "mapped"],
  ];
  assertEquals(Object.entries(seen.vmsa), rows.map(([request, verdict]) => [request, verdict]));
  assertEquals(Object.entries(seen.pmsa), rows.map(([request, , verdict]) => [request, verdict]));
});

/** Findings of `check` as `line: title`, then what building the board throws. */
async function complaints(world: World, variant: Variant): Promise<string[]> {
  const { findings, board } = await checkBoard(boardOf(world, variant), "both.yaml", { plugins });
  const found = findings.filter(({ severity }) => severity === "error").map(({ title, spans }) =>
    `${spans.map(({ line }) => line).join(" ")}: ${title}`
  );
  if (board === undefined || found.length > 0) return found;
  try {
    using _ = await Session.start(boardOf(world, variant), { images });
    return ["runs"];
  } catch (error) {
    return [(error as Error).message];
  }
}

Deno.test("each refusal of the plugins, with its message, on the world where it applies", async () => {
  const twin = `  - name: twin
    memory: [{ at: ${RAM + 20 * MIB}, size: 4MiB }]
    plugins: [{ use: passthrough, at: ${UART}, lines: [spi 1] }]
`;
  const both = (line: number) => [
    `${line + 6} ${line}: the device at 0x0900_0000 to 0x0900_0fff has one owner: probe and twin both have it`,
    `${line + 6} ${line}: the board's interrupt spi 1 (INTID 33) has one owner: probe and twin both have it`,
  ];
  const rows: readonly (readonly [variant: Variant, vmsa: readonly string[], pmsa: readonly string[]])[] = [
    [{}, ["runs"], ["runs"]],
    [{ domains: twin }, both(27), both(28)],
    [{ passthrough: ", ipa: 0x0b00_0000" }, ["runs"], ["28: 0x0b00_0000 can't be 0x0900_0000: an MPU translates nothing"]],
    [
      { sram: ", ipa: 0x2000_0000" },
      ["runs"],
      ["domain probe: 0x2000_0000 can't be 0x1000_0000: an MPU translates nothing, so a domain is mapped directly"],
    ],
    [
      { uartType: "device-ngnrne" },
      ["runs"],
      ["0x0a00_0000..0x0a00_0fff as rw- device-ngnre: the mapping 0x0a00_0000..0x0a00_0fff is rw- device-ngnrne"],
    ],
    [{ regions: 16 }, ["runs"], ["runs"]],
    // The plan is of what stays; the loader takes one more for a while.
    [
      { regions: 15 },
      ["runs"],
      [
        "EL2 can't map the guest's memory: 0x40c0_0000..0x40c1_1fff as rw- normal-wb: 16 MPU regions would be needed, and MPUIR_EL2 has 15",
      ],
    ],
    [{ regions: 14 }, ["runs"], ["4 5: the board needs 15 MPU regions and the CPU has 14: the hypervisor takes 5, domain probe 10"]],
  ];
  for (const [variant, ...wanted] of rows) {
    for (const [n, world] of worlds.entries()) {
      assertEquals(await complaints(world, variant), wanted[n], `${world.name}: ${JSON.stringify(variant)}`);
    }
  }
});

/** Pages of the aborts that come to EL2; its answer is core's. */
function witness(seen: Set<number>): Plugin {
  return definePlugin({
    name: "witness",
    doc: "Writes down which pages exits are about.",
    options: {},
    attach({ exceptions }) {
      exceptions.claim(0x24, ({ vcpu: { state } }) => {
        seen.add(Number((state.read("HPFAR_EL2") & 0x0fff_ffff_fff0n) << 8n));
        return "unclaimed";
      });
    },
  });
}

interface Linux {
  readonly world: World;
  readonly board: Awaited<ReturnType<typeof debianBoard>>;
  /** The console's page, which EL2 serves. */
  readonly virtual: number;
  /** Where Linux sees the other UART. */
  readonly ipa?: number;
  readonly changes: Changes;
}

const SECOND = 0x9c0b_0000, THIRD = 0x9c0c_0000;
const debian = await debianBoard("debian"), baser = await debianBoard("fvp-baser");
/** Linux alone. */
const alone = { ...baser, manifest: baser.manifest.slice(0, baser.manifest.indexOf("  - name: mpu")) };
const linuxes: readonly Linux[] = [
  { world: pages, board: debian, virtual: UART, ipa: 0x0b00_0000, changes: [] },
  { world: mpu, board: alone, virtual: 0x9c09_0000, changes: [] },
];

for (const { world, board, virtual, ipa, changes } of linuxes) {
  Deno.test({
    name: `Debian's kernel drives the board's second UART on ${world.name}: no exits but for interrupts`,
    ignore: board.images === undefined,
    async fn() {
      const pages = new Set<number>();
      const manifest = changed(board.manifest, [
        [
          "    conduit: hvc\n",
          `    conduit: hvc
  - use: board_interrupts
  - { use: board_pl011, at: ${SECOND}, interrupt: spi 40, port: second }
  - { use: board_pl011, at: ${THIRD}, port: el2 }
  - { use: hypervisor_console, at: ${THIRD} }
`,
        ],
        [
          "      - use: fdt\n",
          `      - use: witness
      - use: passthrough
        at: ${SECOND}${ipa === undefined ? "" : `\n        ipa: ${ipa}`}
        lines: [spi 40]
        interrupts: [spi 7]
        node: serial
        compatible: ["arm,pl011", "arm,primecell"]
        properties: { clocks: ["&clk24mhz", "&clk24mhz"], clock-names: [uartclk, apb_pclk] }
      - use: fdt
`,
        ],
        ...changes,
      ]);
      using guest = await Session.start(manifest, { images: board.images, plugins: [witness(pages)], console: "console" });
      guest.until("shell ready");
      guest.until("# ");
      assertMatch(
        guest.console,
        new RegExp(`${(ipa ?? SECOND).toString(16)}.*: ttyAMA1 at MMIO 0x${(ipa ?? SECOND).toString(16)} .*is a PL011`),
      );
      guest.command("exec 3<> /dev/ttyAMA1; stty -F /dev/ttyAMA1 raw -echo");
      guest.command("seq 1 300 > /dev/ttyAMA1");
      assertEquals(guest.ports.get("second"), Array.from({ length: 300 }, (_, n) => `${n + 1}\n`).join(""));
      guest.type("head -n 20 /dev/ttyAMA1 | sha256sum\n");
      guest.until("\n");
      guest.machine.runFor(20e6, Infinity);
      guest.type(Array.from({ length: 20 }, (_, n) => `line ${n}\n`).join(""), "second");
      guest.until("  -");
      const text = Array.from({ length: 20 }, (_, n) => `line ${n}\n`).join("");
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
      assertStringIncludes(guest.console, digest.toHex());
      guest.until("# ");
      const counts = guest.command("grep uart-pl011 /proc/interrupts").split("\n");
      const [, interrupts] = counts.map((line) => /^ *\d+:(( +\d+)+) +GICv3 +(\d+) Level/.exec(line)!);
      assertEquals(interrupts[3], "39"); // spi 7
      assert(interrupts[1].trim().split(/ +/).reduce((sum, count) => sum + Number(count), 0) >= 10, counts.join("\n"));
      // The virtual UART is all exits, the other one none.
      assertEquals([pages.has(virtual), pages.has(ipa ?? SECOND), pages.has(SECOND)], [true, false, false]);
      assertStringIncludes(guest.ports.get("el2")!, "(EL2) domain linux starts: ");
      guest.type("poweroff -f\n");
      assertEquals(guest.finish().kind, "power-off");
      assertStringIncludes(guest.ports.get("el2")!, "(EL2) domain linux powered off");
      assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /failure/.test(kind)), []);
    },
  });
}
