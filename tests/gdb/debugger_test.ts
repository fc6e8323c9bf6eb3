/** The machine's debugger: where it halts, and that guests can't tell. */
import { assert, assertEquals } from "@std/assert";
import { boot } from "../../mod.ts";
import type { BootOptions, Machine } from "../../mod.ts";
import { randomBelow } from "../support/random.ts";

const root = new URL("../../", import.meta.url);

interface Guests {
  readonly name: string;
  readonly board: string;
  readonly options: BootOptions;
}

/** Pages of code and data that regions of 64 bytes divide: two guests that test their MPUs. */
async function probes(): Promise<Guests> {
  const kernel = "examples/guests/mpu_probe/mpu_probe.bin";
  const board = `board: probes
doc: Guests with an MPU each
memory: [{ at: 0, size: 16MiB }]
plugins:
  - { use: cpu_a64, model: cortex-r82 }
  - use: pmsa
  - { use: scheduler_fair, slice: 10us }
  - { use: gicv3, distributor: 0xaf00_0000, redistributors: 0xaf10_0000 }
  - use: generic_timer
  - use: psci
domains:${
    [0, 0x40_0000].map((at, n) => `
  - name: probe${n}
    memory: [{ at: ${at}, size: 4MiB }]
    plugins:
      - { use: pl011, at: 0x9c09_0000, interrupt: spi 5, port: probe${n} }
      - use: fdt
      - { use: linux_boot, kernel: ${kernel} }`).join("")
  }
`;
  return { name: "two guests with MPUs", board, options: { images: new Map([[kernel, await Deno.readFile(new URL(kernel, root))]]) } };
}

const guests: readonly Guests[] = [
  { name: "the tour on four vCPUs", board: new URL("boards/tour.yaml", root).pathname, options: { set: { "domains.tour.vcpus": "4" } } },
  await probes(),
];

interface Run {
  readonly machine: Machine;
  /** Runs until it halts (true) or the board ends (false). */
  go(): boolean;
  /** What can be said of it at its end. */
  summary(): unknown;
}

async function start({ board, options }: Guests, tier1: string): Promise<Run & Disposable> {
  // When ports are emptied, and so which one is first, is up to who runs the machine.
  const ports: Record<string, string> = {};
  const decoder = new TextDecoder();
  const machine = await boot(board, {
    ...options,
    set: { ...options.set, "plugins.cpu_a64.tier1": tier1 },
    onSerial: (port, bytes) => ports[port] = (ports[port] ?? "") + decoder.decode(bytes),
  });
  return {
    machine,
    go() {
      for (;;) {
        const stopped = machine.runFor(10e9, 1e9);
        if (stopped) return false;
        if (machine.debugger.halt) return true;
      }
    },
    summary: () => ({
      ports,
      nowNs: machine.nowNs,
      instructions: machine.stats.instructions,
      exits: [...machine.stats.exits],
      retired: machine.domains.flatMap(({ vcpus }) => vcpus.map(({ state }) => state.retired)),
    }),
    [Symbol.dispose]: () => machine.dispose(),
  };
}

/** Rounds of halting and going on, before the rest is left alone. */
const ROUNDS = 1500;

for (const board of guests) {
  for (const tier1 of ["off", "on", "force"]) {
    Deno.test(`a debugger changes nothing for ${board.name} (tier 1 ${tier1})`, async () => {
      using plain = await start(board, tier1);
      assertEquals(plain.go(), false);
      using run = await start(board, tier1);
      const { debugger: debug, domains } = run.machine;
      const vcpus = domains.flatMap((domain) => domain.vcpus);
      const seen = { step: 0, reached: 0, breakpoint: 0, watchpoint: 0, asked: 0 };
      // Where vCPUs came by, and what they may have pointed to.
      const places: { pc: bigint; data: bigint[] }[] = [];
      const random = randomBelow("debugger");
      for (let round = 0; round < ROUNDS; round++) {
        const vcpu = vcpus[random(vcpus.length)];
        const place = places[random(places.length || 1)];
        const space = random(2) === 0 ? "virtual" : "physical";
        const what = place === undefined ? 3 : random(4);
        if (what === 0) debug.setStops([{ on: "execute", space, address: place.pc, size: 4 }]);
        else if (what === 1) {
          debug.setStops(place.data.map((at) => ({ on: "access", space, address: at & ~0xfffn, size: 4096, domain: vcpu.domain.name })));
        } else debug.setStops([]);
        const most = debug.position + random(400) + 1;
        debug.resume(what === 2 ? { step: vcpu.power === "off" ? vcpus[0] : vcpu, until: most } : { until: most });
        if (!run.go()) break;
        seen[debug.halt!.kind]++;
        // Looking does no harm either.
        for (const one of vcpus) debug.readVirtual(one, one.state.guestSp, 32);
        const ran = debug.latest!.state;
        if (random(4) === 0) places.push({ pc: ran.pc, data: [ran.guestSp, ...Array.from({ length: 8 }, () => ran.x(random(31)))] });
      }
      debug.detach();
      while (run.machine.domains.some(({ outcome }) => outcome === undefined) && run.go());
      const { step, reached, breakpoint, watchpoint } = seen;
      assert(step > 50 && reached > 200 && breakpoint > 10 && watchpoint > 5, JSON.stringify(seen));
      assertEquals(run.summary(), plain.summary());
    });
  }
}
