/** boards/tour.yaml to the letter, on one to eight vCPUs; and the same guest on QEMU. */
import { assert, assertEquals } from "@std/assert";
import { loadBoard } from "../../core/mod.ts";
import { buildDeviceTree } from "../../plugins/fdt/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { changed } from "./debian_images.ts";
import { runOnQemu } from "./qemu_reference.ts";
import { missing, qemuSystem } from "../support/toolchain.ts";
import { Session } from "./session.ts";

const root = new URL("../../", import.meta.url);
const file = new URL("boards/tour.yaml", root).pathname;
const kernel = await Deno.readFile(new URL("examples/guests/tour/tour.bin", root));
const manifest = await Deno.readTextFile(file);

/** What the guest prints here. Virtual time is exact: a tick is neither early nor late. */
function expectation(vcpus: number, conduit: string): string[] {
  const lines = [
    "",
    "Plugboard tour",
    "  CPU        Cortex-A57, MIDR 0x411fd070, at EL1",
    "  memory     64 MiB at 0x40000000, device tree at 0x42000000",
    "  counter    62500000 Hz",
    `  PSCI       1.1 by ${conduit}`,
    `  CPUs       ${vcpus}`,
    "CPU 0: MPIDR 0x0, 5 timer ticks in 50000 us",
  ];
  for (let cpu = 1; cpu < vcpus; cpu++) {
    lines.push(`CPU ${cpu}: MPIDR 0x${cpu}, 5 timer ticks in 50000 us, IPI to CPU 0 answered in N us, off again`);
  }
  return [...lines, `Tour complete: ${vcpus} CPUs, ${vcpus * 5} ticks, ${vcpus - 1} IPIs answered`, ""];
}

/** How long an IPI takes depends on who runs meanwhile. */
const withoutLatencies = (line: string) => line.replace(/answered in \d+ us/, "answered in N us");

const latencies = (console: string) => [...console.matchAll(/answered in (\d+) us/g)].map((match) => Number(match[1]));

for (let vcpus = 1; vcpus <= 8; vcpus++) {
  const conduit = vcpus % 2 ? "SMC" : "HVC";
  Deno.test(`the tour on ${vcpus} vCPUs, PSCI by ${conduit}`, async () => {
    const began = performance.now();
    const text = changed(manifest, [["conduit: hvc", `conduit: ${conduit.toLowerCase()}`], ["../examples", "examples"]]);
    const images = new Map([["examples/guests/tour/tour.bin", kernel]]);
    using guest = await Session.start(text, { images, set: { "domains.tour.vcpus": String(vcpus) }, wallLimitMs: 15_000 });
    assertEquals(guest.finish(), { kind: "power-off", domain: "tour", code: undefined });
    assertEquals(guest.console.replaceAll("\r", "").split("\n").map(withoutLatencies), expectation(vcpus, conduit));
    for (const latency of latencies(guest.console)) assert(latency < 2000, `an IPI takes ${latency} us`);
    const ms = guest.machine.nowNs / 1e6;
    assert(ms > 50 && ms < 60, `five ticks of 10 ms are over after ${ms} ms`);
    const seconds = (performance.now() - began) / 1000;
    assert(seconds < 5, `the tour is to take about a second; it took ${seconds} s`);
  });
}

/** Numbers that QEMU measures against the host's clock, or places elsewhere. */
const withoutNumbers = (console: string) =>
  console.replaceAll("\r", "")
    .replace(/ in \d+ us/g, " in N us")
    .replace(/device tree at 0x[0-9a-f]+/, "device tree at N");

for (const vcpus of [1, 4, 8]) {
  Deno.test({
    name: `the tour on ${vcpus} CPUs of QEMU, with the board's device tree, prints what it prints here`,
    ignore: missing(qemuSystem),
    async fn() {
      using guest = await Session.start(file, { set: { "domains.tour.vcpus": String(vcpus) }, wallLimitMs: 15_000 });
      guest.finish();
      const overrides = [{ flag: "--smp", vcpus }];
      const board = await loadBoard(file, { plugins, overrides });
      const deviceTree = buildDeviceTree(board, board.domains[0], []);
      const run = await runOnQemu({ kernel, deviceTree, cpus: vcpus, memoryMiB: 64, timeoutMs: 60_000 });
      assert(run.ended, run.console);
      assertEquals(withoutNumbers(run.console), withoutNumbers(guest.console));
    },
  });
}
