/** Our timer guest (source in examples/guests/timers) here and on QEMU, and what a board may set about its timers. */
import { assert, assertEquals } from "@std/assert";
import { loadBoard } from "../../core/mod.ts";
import { buildDeviceTree } from "../../plugins/fdt/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { missing, qemuSystem } from "../support/toolchain.ts";
import { runOnQemu } from "./qemu_reference.ts";
import { Session } from "./session.ts";

const kernel = await Deno.readFile(new URL("../../examples/guests/timers/timers.bin", import.meta.url));
const images = new Map([["timers.bin", kernel]]);

interface Variant {
  readonly pcpus?: number;
  readonly model?: string;
  readonly frequency?: number;
  readonly timer?: string;
}

function board({ pcpus = 1, model = "cortex-a57", frequency = 62_500_000, timer = "" }: Variant = {}): string {
  return `board: timers
doc: What a guest may expect of its timers
pcpus: ${pcpus}
memory:
  - { at: 0x4000_0000, size: 80MiB }
plugins:
  - { use: cpu_a64, model: ${model}, counter_frequency: ${frequency} }
  - use: vmsa
  - use: scheduler_fair
  - use: gicv3
  - { use: generic_timer${timer} }
  - use: psci
domains:
  - name: timers
    vcpus: 2
    memory: [{ at: 0x4000_0000, size: 64MiB }]
    plugins:
      - use: pl011
      - use: fdt
      - use: linux_boot
        kernel: timers.bin
`;
}

async function run(variant: Variant = {}): Promise<string[]> {
  using guest = await Session.start(board(variant), { images, wallLimitMs: 30_000 });
  assertEquals(guest.finish(), { kind: "power-off", domain: "timers", code: undefined }, guest.console);
  return guest.console.replaceAll("\r", "").trim().split("\n");
}

async function deviceTreeOf(text: string): Promise<Uint8Array> {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(file, text);
    const parsed = await loadBoard(file, { plugins });
    return buildDeviceTree(parsed, parsed.domains[0], []);
  } finally {
    await Deno.remove(file);
  }
}

/** How much it took, where a line says so. */
const microseconds = (line: string) => Number(/\((\d+) us\)$/.exec(line)?.[1] ?? 0);
const withoutNumbers = (line: string) => line.replace(/ \(\d+ us\)$/, "");

const variants: Record<string, Variant> = {
  "two vCPUs on one physical CPU": {},
  "two vCPUs on two physical CPUs": { pcpus: 2 },
  "three physical CPUs, 19.2 MHz: neither divides a nanosecond": { pcpus: 3, frequency: 19_200_000 },
  "max at 1 GHz": { model: "max", frequency: 1_000_000_000 },
  "the physical timer trapped": { timer: ", physical: trapped" },
  "a virtual counter that starts ahead": { timer: ", virtual_start: 100s" },
  "a virtual counter an hour before it wraps": { timer: ", virtual_offset: 1h" },
};

for (const [name, variant] of Object.entries(variants)) {
  Deno.test(`timers: ${name}: never early, and late by a few instructions`, async () => {
    const lines = await run(variant);
    assertEquals(lines.filter((line) => line.startsWith("FAIL")), []);
    assertEquals(lines.at(-1), "Timers complete");
    for (const line of lines.filter((line) => /deadlines, none early|fires, and less than/.test(line))) {
      assert(microseconds(line) <= 5, line);
    }
    // The other CPU's turn ends first, on a machine with one: at most two turns.
    const shared = lines.find((line) => line.includes("asleep while the other CPU is busy"))!;
    assert(microseconds(shared) <= 200, shared);
  });
}

Deno.test("timers: two guests with different offsets see different times at one rate", async () => {
  const domain = (name: string, timer: string) => `
  - name: ${name}
    vcpus: 1
    memory: [{ at: 0x4000_0000, size: 32MiB }]
    plugins:
      - { use: generic_timer, ${timer} }
      - { use: pl011, port: ${name} }
      - use: fdt
      - { use: linux_boot, kernel: timers.bin }`;
  const text = board().replace("  - { use: generic_timer }\n", "").replace(/domains:[^]*/, "domains:") +
    domain("late", "virtual_offset: 1s") + domain("ahead", "virtual_start: 3s");
  using guest = await Session.start(text, { images });
  const [late, ahead] = guest.machine.domains.map(({ vcpus }) => vcpus[0].state);
  const difference = 4n * 62_500_000n;
  let before = 0n;
  for (let n = 0; n < 20; n++) {
    guest.machine.runFor(1_234_567, Infinity);
    const [one, other] = [late, ahead].map((state) => state.read("CNTVCT_EL0"));
    assertEquals(BigInt.asUintN(64, other - one), difference);
    assertEquals(other, BigInt(Math.floor(guest.machine.nowNs / 16)) + 3n * 62_500_000n);
    assert(other > before);
    before = other;
  }
});

Deno.test({
  name: "timers: QEMU gives the same verdicts",
  ignore: missing(qemuSystem),
  async fn() {
    const here = (await run()).map(withoutNumbers);
    const deviceTree = await deviceTreeOf(board());
    // Its timers follow the host's clock, and a busy host may be late: then once more.
    let there: string[] = [];
    for (let attempt = 0; attempt < 3 && there.at(-1) !== "Timers complete"; attempt++) {
      const { console, ended } = await runOnQemu({ kernel, deviceTree, cpus: 2, memoryMiB: 64 });
      assert(ended, console);
      there = console.replaceAll("\r", "").trim().split("\n").map(withoutNumbers);
    }
    assertEquals(there, here);
  },
});
