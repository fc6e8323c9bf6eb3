/**
 * Every device of the tree, saved in the middle of what a guest does to it: a new one with its state goes on as it does. What both are told is the
 * same; what they answer, write to memory, arm and keep must be.
 */
import { assert, assertEquals } from "@std/assert";
import { encode } from "../../core/snapshot/codec.ts";
import type { QueuedEvent } from "../../core/schedule/events.ts";
import { plugins } from "../../plugins/mod.ts";
import { DeviceWorld } from "../fuzz/device_world.ts";
import { RAM } from "../fuzz/ram.ts";
import { randomOptions } from "../fuzz/random_options.ts";
import { setupOf } from "../fuzz/setups.ts";
import type { Setup } from "../fuzz/setups.ts";
import { Random } from "../support/random.ts";

const WORLDS = 2;
const BEFORE = 150, AFTER = 150;

/** What goes on in what a new one can't be given: links to a world that a bench plays. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  virtio_9p: "files that are open are the host's",
  virtio_9p_pci: "likewise",
};

for (const plugin of plugins) {
  const setup = setupOf(plugin);
  if (setup === undefined || plugin.name in LEFT_OUT) continue;
  Deno.test(`saved in the middle: ${plugin.name}`, async () => {
    let worlds = 0;
    for (let n = 0; worlds < WORLDS && n < 10 * WORLDS; n++) {
      const random = new Random(`saved ${plugin.name} ${n}`);
      const prepared = setup.prepare?.();
      const options = randomOptions(plugin.options, random, { runs: "inline", ...setup.options, ...prepared?.options });
      const start = (own: Setup) => DeviceWorld.start(plugin, options, own, random);
      try {
        const world = await start(setup);
        if (world === undefined) continue;
        worlds++;
        world.sweep();
        for (let step = 0; step < BEFORE; step++) world.step();
        const heir = (await start(setup))!;
        inherit(heir, world);
        assertEquals(stateOf(heir), stateOf(world), "at once");
        const mirror = new Mirror(world, heir);
        for (let step = 0; step < AFTER; step++) {
          world.step();
          if (step % 50 === 0) assertEquals(stateOf(heir), stateOf(world), `after ${step} steps: ${mirror.latest}`);
        }
        world.registers();
        assertEquals(stateOf(heir), stateOf(world));
        assertEquals(heir.kit.domain.readMemory(RAM.at, RAM.size), world.kit.domain.readMemory(RAM.at, RAM.size));
        world.kit.close();
        heir.kit.close();
      } catch (error) {
        throw new Error(`world ${n}, options ${JSON.stringify(options)}`, { cause: error });
      } finally {
        prepared?.undo();
      }
    }
    assert(worlds > 0, "no set of options is accepted");
  });
}

/** As a machine does it with a snapshot, on a bench. */
function inherit(heir: DeviceWorld, { kit }: DeviceWorld): void {
  const { kit: to } = heir;
  const scopes = [[kit.host.board, to.host.board], [kit.scope, to.scope]] as const;
  const saved = scopes.map(([scope]) => kit.host.save(scope));
  to.domain.writeMemory(RAM.at, kit.domain.readMemory(RAM.at, RAM.size));
  to.clock.load(kit.clock.save());
  scopes.forEach(([, scope], index) => to.host.load(scope, saved[index]));
  kit.domain.vcpus.forEach((_vcpu, index) => to.vcpu(index).load(kit.vcpu(index).save()));
  for (const [, scope] of scopes) to.host.restored(scope);
}

/** Its plugins' states, as bytes that can be compared, by owner. */
function stateOf({ kit }: DeviceWorld): Record<string, string> {
  const saved = [...kit.host.save(kit.host.board), ...kit.host.save(kit.scope)];
  return Object.fromEntries(
    saved.map((
      { owner, state, random },
    ) => [owner, new TextDecoder("latin1").decode(state) + new TextDecoder("latin1").decode(encode(random))]),
  );
}

/** Does to one world whatever is done to another. */
class Mirror {
  latest = "";
  /** Within a device's own doing. */
  #depth = 0;

  constructor(from: DeviceWorld, to: DeviceWorld) {
    const { kit } = from, { kit: other } = to;
    const both = <T>(what: string, one: () => T, two: () => T): T => {
      this.latest = what;
      this.#depth++;
      const first = attempt(one), second = attempt(two);
      this.#depth--;
      assertEquals(second, first, what);
      if ("error" in first) throw new Error(first.error);
      return first.value;
    };
    const { read, write, input } = kit;
    kit.read = (...args) => both(`read ${args}`, () => read.apply(kit, args), () => other.read(...args));
    kit.write = (...args) => both(`write ${args}`, () => write.apply(kit, args), () => other.write(...args));
    kit.input = (...args) => both(`input ${args}`, () => input.apply(kit, args), () => other.input(...args));
    const writeMemory = kit.domain.writeMemory.bind(kit.domain);
    kit.domain.writeMemory = (ipa, bytes) => {
      writeMemory(ipa, bytes);
      if (this.#depth === 0) other.domain.writeMemory(ipa, bytes);
    };
    const { clock } = kit;
    const skipTo = clock.skipTo.bind(clock);
    clock.skipTo = (ns) => {
      skipTo(ns);
      if (this.#depth === 0) other.clock.skipTo(ns);
    };
    const takeDue = clock.events.takeDue.bind(clock.events);
    clock.events.takeDue = (ns): QueuedEvent | undefined => {
      const event = takeDue(ns);
      if (this.#depth > 0 || event === undefined) return event;
      const twin = other.clock.events.takeDue(ns);
      assertEquals([twin?.name, twin?.ns], [event.name, event.ns]);
      return { ...event, fire: () => both(`timer ${event.name}`, () => event.fire(), () => twin!.fire()) };
    };
  }
}

function attempt<T>(body: () => T): { readonly value: T } | { readonly error: string } {
  try {
    return { value: body() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}
