/**
 * One source, two places: whatever a guest does, a device behind IOREQ is to the bit what it is inline. State, guest memory, interrupts,
 * what it printed and what it traced are compared as both go on. `PLUGBOARD_SEED` changes what is done, `FUZZ_IOREQ` how much.
 */
import { assert, assertEquals } from "@std/assert";
import type { Plugin } from "../../core/mod.ts";
import type { DeviceModel } from "../../plugins/device/contract.ts";
import { ioreq } from "../../plugins/ioreq/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { Random } from "../support/random.ts";
import { DeviceWorld } from "./device_world.ts";
import { RAM } from "./ram.ts";
import { randomOptions } from "./random_options.ts";
import { setupOf } from "./setups.ts";
import type { Setup } from "./setups.ts";

const STEPS = Number(Deno.env.get("FUZZ_IOREQ") ?? 300);

/** The same set-up, with somebody who runs devices behind IOREQ. */
function withIoreq(setup: Setup): Setup {
  return {
    ...setup,
    bench() {
      const own = setup.bench?.() ?? {};
      const board = { ...own.board, plugins: [...own.board?.plugins ?? [], { plugin: ioreq, options: {}, path: ["bench"] }] };
      return { ...own, board };
    },
    async before(kit) {
      await setup.before?.(kit);
      await kit.attach(ioreq as Plugin, {});
    },
  };
}

const isRemote = (plugin: Plugin): boolean => (plugin as { readonly device?: DeviceModel }).device?.module !== undefined;

for (const plugin of plugins.filter(isRemote)) {
  const setup = setupOf(plugin);
  assert(setup !== undefined, plugin.name);
  Deno.test(`${plugin.name} is the same behind IOREQ as inline: ${STEPS} operations`, async () => {
    const worlds: DeviceWorld[] = [];
    for (let n = 0; n < 20 && worlds.length === 0; n++) {
      const fixed = { snapshot: false, ...setup.options };
      const options = randomOptions(plugin.options, new Random(`options ${n}`), { runs: "inline", ...fixed });
      for (const runs of ["inline", "ioreq"]) {
        const place = runs === "inline" ? setup : withIoreq(setup);
        const world = await DeviceWorld.start(plugin, { ...options, runs }, place, new Random(plugin.name));
        if (world === undefined) break;
        // What runs elsewhere has no pages to give.
        world.kit.domain.giveBack = () => false;
        worlds.push(world);
      }
    }
    assertEquals(worlds.length, 2, "its options are refused");
    const views = () =>
      worlds.map(({ kit, state, ports }) => ({
        state: structuredClone(state),
        nowNs: kit.clock.nowNs,
        printed: ports.map((port) => kit.output(port)),
        traced: [...kit.traced],
      }));
    try {
      for (const world of worlds) world.sweep();
      for (let done = 0; done < STEPS; done++) {
        for (const world of worlds) world.step();
        if (done % 25 !== 0) continue;
        const [inline, remote] = views();
        assertEquals(remote, inline, `after operation ${done}`);
        const [here, there] = worlds.map(({ kit }) => kit.memory.view(RAM.at, RAM.size));
        assertEquals(here.findIndex((byte, at) => byte !== there[at]), -1, `guest memory after operation ${done}`);
      }
      const [inline, remote] = worlds.map((world) => world.registers());
      assertEquals(remote, inline);
    } finally {
      for (const world of worlds) world.close();
    }
  });
}
