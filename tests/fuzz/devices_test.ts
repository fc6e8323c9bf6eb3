/**
 * Every device of the tree against a guest that writes anything anywhere: no throw, no access outside of its RAM, no work without end.
 * Seeded; `FUZZ_OPERATIONS` and `PLUGBOARD_SEED` change how much and what.
 */
import { assert, assertEquals } from "@std/assert";
import type { Plugin } from "../../core/mod.ts";
import { importDevice } from "../../plugins/device/contract.ts";
import type { DeviceModel } from "../../plugins/device/contract.ts";
import { plugins } from "../../plugins/mod.ts";
import { Random, SEED } from "../support/random.ts";
import { DeviceWorld } from "./device_world.ts";
import { randomOptions } from "./random_options.ts";
import { named, setupOf } from "./setups.ts";
import type { Setup } from "./setups.ts";

const OPERATIONS = Number(Deno.env.get("FUZZ_OPERATIONS") ?? 10_000);
/** Each with other options. */
const WORLDS = 10;

for (const plugin of plugins) {
  const setup = setupOf(plugin);
  if (setup === undefined) continue;
  Deno.test(`fuzz ${plugin.name}: ${OPERATIONS} operations`, async () => {
    let worlds = 0;
    for (let n = 0; worlds < WORLDS && n < 10 * WORLDS; n++) {
      const random = new Random(`${plugin.name} ${n}`);
      const prepared = setup.prepare?.();
      const options = randomOptions(plugin.options, random, { runs: "inline", ...setup.options, ...prepared?.options });
      let done = 0;
      try {
        const world = await DeviceWorld.start(plugin, options, setup, random);
        if (world === undefined) continue;
        worlds++;
        world.sweep();
        for (; done < OPERATIONS / WORLDS; done++) world.step();
        if ("device" in plugin) await assertIsItsState(plugin, options, setup, world);
        world.close();
      } catch (error) {
        throw new Error(`world ${n} of seed ${SEED}, operation ${done}, options ${JSON.stringify(options)}`, { cause: error });
      } finally {
        prepared?.undo();
      }
    }
    assertEquals(worlds, WORLDS, "hardly any set of options is accepted");
  });
}

/** A device that was made with the state of another goes on where that one was: nothing that it knows lies elsewhere. */
async function assertIsItsState(plugin: Plugin, options: Record<string, unknown>, setup: Setup, world: DeviceWorld): Promise<void> {
  world.kit.advance(setup.settleNs ?? 1e9); // timers that are armed go with the device, which isn't what this is about
  const state = structuredClone(world.state);
  const heir = await DeviceWorld.start({ ...plugin, state: () => state }, options, setup, new Random(""));
  heir!.follow(world);
  assertEquals(heir!.registers(), world.registers());
  heir!.kit.close();
}

Deno.test("fuzz: the tables of devices name plugins that there are", () => {
  assertEquals(named.filter((name) => !plugins.some((plugin) => plugin.name === name)), []);
});

Deno.test("devices: each that can run behind IOREQ is found again by module and name", async () => {
  for (const plugin of plugins) {
    const { device } = plugin as { readonly device?: DeviceModel };
    if (device === undefined) continue;
    // A device whose folder, cable or sockets are in this thread is, too.
    if (device.module === undefined && (device.folders !== undefined || device.cables !== undefined || device.sockets)) continue;
    assert(device.module !== undefined, `${device.name} says no module`);
    assertEquals((await importDevice(device.module, device.name)).name, device.name);
  }
});
