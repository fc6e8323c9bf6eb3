/** The machine's debugger: where it halts, and that a guest can't tell. */
import { assert, assertEquals } from "@std/assert";
import { boot } from "../../mod.ts";
import type { Machine } from "../../mod.ts";

const board = new URL("../../boards/tour.yaml", import.meta.url).pathname;

interface Run {
  readonly machine: Machine;
  /** Runs until it halts (true) or the guest ends (false). */
  go(): boolean;
  /** What can be said of it at its end. */
  summary(): unknown;
}

async function start(set: Record<string, string> = {}): Promise<Run & Disposable> {
  let console = "";
  const decoder = new TextDecoder();
  const machine = await boot(board, {
    set: { "domains.tour.vcpus": "4", ...set },
    onSerial: (_, bytes) => console += decoder.decode(bytes),
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
      console,
      nowNs: machine.nowNs,
      instructions: machine.stats.instructions,
      exits: [...machine.stats.exits],
      retired: machine.domains[0].vcpus.map(({ state }) => state.retired),
    }),
    [Symbol.dispose]: () => machine.dispose(),
  };
}

const plain = await (async () => {
  using run = await start();
  assertEquals(run.go(), false);
  return run.summary();
})();

for (const tier1 of ["off", "on", "force"]) {
  Deno.test(`a debugger changes nothing that a guest does (tier 1 ${tier1})`, async () => {
    const set = { "plugins.cpu_a64.tier1": tier1 };
    using run = await start(set);
    const { debugger: debug, domains: [{ vcpus }] } = run.machine;
    const seen = { step: 0, reached: 0, breakpoint: 0, watchpoint: 0, asked: 0 };
    // Where the vCPUs come by, and where their stack is.
    debug.resume({ until: 300 });
    assertEquals(run.go(), true);
    assertEquals([debug.halt?.kind, debug.position], ["reached", 300]);
    const { pc, sp } = vcpus[0].state;
    for (let round = 0; run.machine.domains[0].outcome === undefined; round++) {
      const vcpu = vcpus[round % 4];
      debug.setStops(
        round % 5 === 0
          ? [{ on: "execute", space: "virtual", address: pc, size: 4 }]
          : round % 5 === 1
          ? [{ on: "access", space: round % 2 ? "virtual" : "physical", address: sp - 32n, size: 32 }]
          : [],
      );
      debug.resume(round % 3 === 0 ? { step: vcpu.power === "off" ? vcpus[0] : vcpu } : round < 900 ? { until: debug.position + 97 } : {});
      if (!run.go()) break;
      seen[debug.halt!.kind]++;
      // Looking does no harm either.
      for (const { state } of vcpus) assert(state.pc >= 0n && state.x(30) >= 0n);
      debug.readVirtual(vcpu, sp, 64);
      if (round > 3000) debug.setStops([]), debug.resume();
    }
    assert(seen.step > 50 && seen.reached > 50 && seen.breakpoint + seen.watchpoint > 5, JSON.stringify(seen));
    assertEquals(run.summary(), plain);
  });
}
