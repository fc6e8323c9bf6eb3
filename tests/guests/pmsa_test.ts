/**
 * Guests with an MPU at EL1 (examples/guests/mpu_probe) on an Armv8-R CPU: each finds its MPU as the architecture says, also when it shares the CPU
 * with others that program theirs at the same time, and with Linux, which has page tables there. Who reaches for memory that isn't its own gets an external abort,
 * and EL2 the syndrome of a translation or permission fault of its MPU.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { reports } from "../../cli/board/summary.ts";
import { checkBoard, definePlugin } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const root = new URL("../../", import.meta.url);
const PROBE = "examples/guests/mpu_probe/mpu_probe.bin";
const probe = await Deno.readFile(new URL(PROBE, root));
const MIB = 0x10_0000, KIB = 0x400;

const checks = [
  "identification",
  "PRSELR's banks",
  "reserved bits",
  "PRENR",
  "text, data and devices",
  "permissions",
  "no region, and the background",
  "overlap",
  "64-byte borders",
  "Normal and Device",
  "timer ticks",
  "interrupted sequences",
];

/** A domain of the boards below. */
interface Guest {
  readonly name: string;
  readonly at: number;
  readonly append?: string;
  /** More RAM. */
  readonly banks?: readonly number[];
  /** More plugins. */
  readonly plugins?: string;
}

/** Regions of the MPUs. */
interface Regions {
  readonly el1?: number;
  readonly el2?: number;
}

/** RAM from 0 on, the hypervisor's image in the last half MiB of it. */
function board(guests: readonly Guest[], { el1 = 32, el2 = 32 }: Regions = {}): string {
  const domains = guests.map(({ name, at, append = "", banks = [], plugins = "" }) => {
    const memory = [`{ at: ${at}, size: 4MiB }`, ...banks.map((bank) => `{ at: ${bank}, size: 4KiB }`)];
    return `
  - name: ${name}
    memory: [${memory.join(", ")}]
    plugins:
      - { use: pl011, at: 0x9c09_0000, interrupt: spi 5, port: ${name} }${plugins}
      - use: fdt
      - { use: linux_boot, kernel: ${PROBE}, append: ${JSON.stringify(append)} }`;
  });
  return `board: probes
doc: Guests with an MPU each
memory: [{ at: 0, size: 16MiB }]
plugins:
  - { use: cpu_a64, model: cortex-r82, mpu_regions: { el1: ${el1}, el2: ${el2} } }
  - use: pmsa
  - { use: scheduler_fair, slice: 10us }
  - { use: gicv3, distributor: 0xaf00_0000, redistributors: 0xaf10_0000 }
  - use: generic_timer
  - use: psci
domains:${domains.join("")}
`;
}

const images = new Map([[PROBE, probe]]);

/** What a probe printed, and how many of its sequences were interrupted. */
function verdictOf(port: string | undefined): { readonly lines: readonly string[]; readonly interrupted: number } {
  assert(port !== undefined, "the probe printed nothing");
  const lines = port.replaceAll("\r", "").trim().split("\n");
  return { lines, interrupted: Number(/interrupted: (\d+)$/.exec(lines.at(-1)!)?.[1]) };
}

/** The lines of a probe that finds everything in order; a number of its own in the last. */
function expectation(at: number, regions: number, interrupted: number, more: readonly string[] = []): string[] {
  const passed = checks.length + more.filter((line) => line.startsWith("PASS")).length;
  return [
    `MPU probe at 0x${at.toString(16)}, regions: ${regions}`,
    ...checks.map((name) => `PASS ${name}`),
    ...more,
    `MPU probe complete: ${passed} passed, 0 failed, sequences interrupted: ${interrupted}`,
  ];
}

for (const regions of [16, 32, 64, 255]) {
  Deno.test(`an MPU of ${regions} regions`, async () => {
    using guest = await Session.start(board([{ name: "probe", at: 0 }], { el1: regions }), { images, wallLimitMs: 30_000 });
    assertEquals(guest.finish(), { kind: "power-off", domain: "probe", code: undefined });
    assertEquals(verdictOf(guest.console).lines, expectation(0, regions, 0));
    assert(guest.machine.nowNs < 60e6, `${guest.machine.nowNs / 1e6} ms`);
  });
}

for (const regions of [16, 64]) {
  Deno.test(`three guests with MPUs of ${regions} regions on one CPU, interrupted between PRSELR, PRBAR and PRLAR`, async () => {
    const guests = [{ name: "one", at: 0 }, { name: "two", at: 4 * MIB }, { name: "three", at: 8 * MIB }];
    using guest = await Session.start(board(guests, { el1: regions }), { images, wallLimitMs: 30_000 });
    assertEquals(guest.finish().kind, "power-off");
    for (const { name, at } of guests) {
      const { lines, interrupted } = verdictOf(guest.ports.get(name));
      assertEquals(lines, expectation(at, regions, interrupted));
      assert(interrupted > 40, `${name}: ${interrupted} sequences were interrupted`);
    }
  });
}

const TRANSLATION = 0x04, PERMISSION = 0x0c;

/** The UART's and the GIC's windows. */
const devices: readonly (readonly [from: number, to: number])[] = [[0x9c09_0000, 0x9c09_1000], [0xaf00_0000, 0xaf12_0000]];

/** An abort that came to EL2. */
interface Abort {
  readonly esr: number;
  readonly far: number;
  /** HPFAR_EL2 as an address; 0 where it says nothing. */
  readonly page: number;
}

/** Writes down a domain's aborts; EL2's answer is core's. */
function witness(aborts: Abort[]): Plugin {
  return definePlugin({
    name: "witness",
    doc: "Writes down the aborts of a domain.",
    options: {},
    attach({ exceptions }) {
      for (const ec of [0x20, 0x24]) {
        exceptions.claim(ec, ({ vcpu: { state }, esr }) => {
          const far = Number(state.read("FAR_EL2"));
          const page = Number((state.read("HPFAR_EL2") & 0x0fff_ffff_fff0n) << 8n);
          // Of a permission fault HPFAR_EL2 says nothing. Virtual devices are reached by translation faults.
          const isPermission = (esr & 0x3cn) === BigInt(PERMISSION);
          if (isPermission || !devices.some(([from, to]) => page >= from && page < to)) {
            aborts.push({ esr: Number(esr), far, page: isPermission ? 0 : page });
          }
          return "unclaimed";
        });
      }
    },
  });
}

/** What a probe prints of addresses that it can't have: ESR_EL1 of an external abort each, without ISV. */
function refusals(addresses: readonly number[]): string[] {
  return addresses.flatMap((at) => {
    const hex = `0x${at.toString(16)}`;
    return [`peek ${hex}: read 0x96000010 at ${hex}, write 0x96000050 at ${hex}, execute 0x86000010 at ${hex}`, "PASS peek is refused"];
  });
}

/** ESR_EL2 of LDRB W1, STRB W1 and a fetch: EC, IL, ISV and SRT where there is one, WnR, fault status. */
const syndromes = (status: number) => [0x9301_0000 + status, 0x9301_0040 + status, 0x8200_0000 + status];

Deno.test("who reaches for others' memory: the syndrome at EL2, the abort in the guest, nothing in the memory", async () => {
  const targets: readonly (readonly [at: number, status: number])[] = [
    [0x70_0000, TRANSLATION], // RAM of the other guest
    [0x40_0000, TRANSLATION], // its first byte
    [0x40_3000, TRANSLATION], // its code, as it runs in between
    [0x40_d000, TRANSLATION], // its data
    [0xc0_0000, TRANSLATION], // RAM that nobody has
    [0xf8_0000, PERMISSION], // the hypervisor's text
    [0xff_0000, PERMISSION], // its data
    [0xaf20_0000, TRANSLATION], // no RAM, no device
  ];
  const aborts: Abort[] = [];
  const append = addressList("peek", targets.map(([at]) => at));
  const guests = [{ name: "curious", at: 0, append, plugins: "\n      - use: witness" }, {
    name: "victim",
    at: 4 * MIB,
    append: "sequences=4000",
  }];
  using guest = await Session.start(board(guests), { images, plugins: [witness(aborts)], wallLimitMs: 30_000 });
  const victim = guest.machine.domains[1];
  const secret = Uint8Array.from({ length: 64 }, (_, n) => n ^ 0x5a);
  victim.writeMemory(0x70_0000, secret);
  assertEquals(guest.finish().kind, "power-off");
  const { lines, interrupted } = verdictOf(guest.ports.get("curious"));
  assertEquals(lines, expectation(0, 32, interrupted, refusals(targets.map(([at]) => at))));
  // Each access twice: once to be printed, once to be checked.
  const wanted = targets.flatMap(([at, status]) => {
    const accesses = syndromes(status).map((esr) => ({ esr, far: at, page: status === PERMISSION ? 0 : at }));
    return accesses.flatMap((access) => [access, access]);
  });
  assertEquals(aborts, wanted);
  assertEquals(victim.readMemory(0x70_0000, 64), secret);
  const other = verdictOf(guest.ports.get("victim"));
  assertEquals(other.lines, expectation(4 * MIB, 32, other.interrupted));
});

/** RAM in so many pieces that each needs a region. */
const manyBanks = Array.from({ length: 40 }, (_, n) => 12 * MIB + n * 8 * KIB);
const addressList = (option: string, addresses: readonly number[]) => addresses.map((at) => `${option}=${at.toString(16)}`).join(" ");
const own = [0, 1, 26, 27, 28, 29, 38, 39].map((n) => manyBanks[n]);
const scattered: readonly Guest[] = [
  { name: "scattered", at: 0, banks: manyBanks, append: addressList("touch", own) },
  { name: "curious", at: 4 * MIB, append: addressList("peek", own) },
];

for (const el2 of [64, 255]) {
  Deno.test(`a guest whose RAM takes 41 of ${el2} regions of EL2 beside one that wants a look at them`, async () => {
    using guest = await Session.start(board(scattered, { el2 }), { images, wallLimitMs: 30_000 });
    assertEquals(guest.finish().kind, "power-off");
    const one = verdictOf(guest.ports.get("scattered")), other = verdictOf(guest.ports.get("curious"));
    assertEquals(one.lines, expectation(0, 32, one.interrupted, ["PASS memory of our own"]));
    assertEquals(other.lines, expectation(4 * MIB, 32, other.interrupted, refusals(own)));
  });
}

Deno.test("the region budget: the table, and what a CPU with too few says", async () => {
  const check = (el2: number) => checkBoard(board(scattered, { el2 }), "probes.yaml", { plugins });
  const fits = await check(64);
  assert(fits.board !== undefined, JSON.stringify(fits.findings));
  assertStringIncludes(
    reports(fits.board).join("\n"),
    "45 of 64 MPU regions: hypervisor 4 (5 while booting), scattered 41 or curious 1 beside it",
  );
  for (const el2 of [16, 32]) {
    const { board: refused, findings } = await check(el2);
    assertEquals(refused, undefined);
    assertEquals(findings.map(({ title }) => title), [
      `the board needs 45 MPU regions and the CPU has ${el2}: the hypervisor takes 4, domain scattered 41`,
    ]);
    assertEquals(findings[0].spans[0].line, 6);
    assertStringIncludes(findings[0].help ?? "", "these 41 of scattered");
  }
});

const baser = await debianBoard("fvp-baser");

Deno.test({
  name: "Debian with page tables and a guest with an MPU on one CPU: each lives, neither reaches the other, one ends and the other goes on",
  ignore: baser.images === undefined,
  async fn() {
    const aborts: Abort[] = [];
    const manifest = changed(baser.manifest, [["      - use: fdt", "      - use: witness\n      - use: fdt"]]);
    const all = new Map([...baser.images ?? [], ...images]);
    using guest = await Session.start(manifest, { images: all, plugins: [witness(aborts)], console: "console" });
    const rtos = () => guest.ports.get("mpu") ?? "";
    const ticks = () => Number(/tick (\d+)\r\n$/.exec(rtos())?.[1] ?? 0);

    guest.until("CPU: All CPU(s) started at EL1");
    guest.until("shell ready");
    guest.until("# ");
    assert(ticks() > 5, `ticks while Linux boots: ${ticks()}`);
    assertMatch(guest.command("cat /proc/iomem"), /^00000000-1fffffff : System RAM/);
    assertEquals(guest.command("seq 1 2000 | sha256sum"), "6251e5743b6fd6a7d606130bdf7c15077ce85ebd3a0fdee284d15a46df199e38  -");
    assertStringIncludes(guest.command("cat /proc/interrupts"), "arch_timer");

    // The guest's RAM, and the hypervisor's image, through Linux's own tables; Linux takes an external abort, and kills who asked.
    assertStringIncludes(guest.command("devmem 0x20000000 32; echo $?"), "Bus error");
    assertStringIncludes(guest.command("devmem 0x27ff0000 32 0; echo $?"), "Bus error");
    const seen = aborts.map(({ esr, page }) => [esr >>> 26, esr >>> 6 & 1, esr & 0x3f, page]);
    assertEquals(seen, [[0x24, 0, TRANSLATION, 0x2000_0000], [0x24, 1, PERMISSION, 0]]);

    guest.type("poweroff -f\n");
    guest.until("reboot: Power down");
    const before = ticks();
    while (ticks() < before + 5 && guest.machine.nowNs < 30e9) guest.machine.runFor(10e6, Infinity);
    assert(ticks() >= before + 5, rtos());
    guest.type("q", "mpu");
    assertEquals(guest.finish(), { kind: "power-off", domain: "mpu", code: undefined });
    assertMatch(rtos(), new RegExp(`MPU probe complete: ${checks.length + 1} passed, 0 failed, sequences interrupted: \\d+\r\n$`));
    assertEquals(rtos().includes("FAIL"), false, rtos());
    assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /failure/.test(kind)), []);
  },
});
