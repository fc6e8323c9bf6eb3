/** The device contract: what becomes of a declaration, what a device is given, and that it knows not where it runs. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { capability, definePlugin, OptionError, registers } from "../../core/mod.ts";
import type { Board, PluginUse } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import { defineDevice, DeviceHost, devicePlugin, importDevice } from "./contract.ts";
import type { Device, DeviceContext, DeviceModel, DeviceStart } from "./contract.ts";

const block = registers(32, { COUNT: { at: 0, access: "rw" }, CLEAR: { at: 4, access: "wo" } });
type State = ReturnType<typeof block.reset>;
type Options = { readonly limit: number };

const AT = 0x0a00_0000;
const RAM = 0x4000_0000;

/** Raises its line at a count, and writes what it is told to through both windows. */
function counter(more: Partial<DeviceModel<Options, State>> = {}): DeviceModel<Options, State> {
  return defineDevice<Options, State>({
    name: "counter",
    doc: "Counts.",
    options: { limit: { kind: "integer", default: 2, doc: "When it interrupts." } },
    windows: { registers: { size: 0x200, default: AT } },
    interrupts: { full: { default: 40 } },
    inputs: 2,
    deviceTree: (_, { unit, reg, interrupts }) => [{ under: "/", nodes: [{ name: `counter@${unit}`, properties: { reg, interrupts } }] }],
    state: () => block.reset(),
    keep: ({ COUNT }) => ({ COUNT }),
    create({ state, options, interrupt }) {
      const look = () => interrupt("full").set(state.COUNT >= options.limit);
      return {
        windows: { registers: block.handler(state, { COUNT: { write: look }, CLEAR: { write: () => (state.COUNT = 0, look()) } }) },
        input(wire, level) {
          state.COUNT += level ? 1 + wire : 0;
          look();
        },
      };
    },
    ...more,
  });
}

const board = { plugins: [], domains: [] } as unknown as Board;
const asUse = (plugin: PluginUse["plugin"]): PluginUse => ({ plugin, options: {}, path: [] });
const resources = <O>(plugin: PluginUse["plugin"], options: O, uses: PluginUse[] = []) =>
  plugin.resources!(options, { board, domain: { name: "guest", vcpus: 1, memory: [], plugins: uses } });

Deno.test("device: a declaration becomes options, windows, interrupts and nodes", () => {
  const plugin = devicePlugin(counter());
  assertEquals(Object.keys(plugin.options), ["limit", "at", "interrupt", "runs"]);
  assertEquals([plugin.options.at.default, plugin.options.at.align], [AT, 0x200]);
  assertEquals(resources(plugin, { limit: 2, at: AT, interrupt: 41, runs: "inline" }), {
    windows: [{ name: "registers", at: AT, size: 0x200 }],
    interrupts: [{ name: "full", intid: 41, trigger: "level" }],
    deviceTree: [{
      under: "/",
      nodes: [{
        name: "counter@a000000",
        properties: { reg: { reg: [[AT, 0x200]] }, interrupts: { interrupts: [{ intid: 41, trigger: "level" }] } },
      }],
    }],
    serialPorts: [],
    findings: [],
  });
});

Deno.test("device: several windows and interrupts have options by their names; sizes may follow from options", () => {
  const device = counter({
    windows: { low: { size: 0x1000 }, high: { size: ({ limit }) => limit * 0x1000, option: "top" } },
    interrupts: { full: { trigger: "edge" }, empty: { optional: true } },
  });
  const plugin = devicePlugin<Options, State, { low: number; top: number; full: number }>(device);
  assertEquals(Object.keys(plugin.options), ["limit", "low", "top", "full", "empty", "runs"]);
  const { windows, interrupts } = resources(plugin, { limit: 3, low: AT, top: AT + 0x1000, full: 50 });
  assertEquals(windows, [{ name: "low", at: AT, size: 0x1000 }, { name: "high", at: AT + 0x1000, size: 0x3000 }]);
  assertEquals(interrupts, [{ name: "full", intid: 50, trigger: "edge" }]);
});

Deno.test("device: mistakes of a declaration are found when it is made", () => {
  assertThrows(() => counter({ name: "Counter" }), TypeError, "lower case");
  assertThrows(() => counter({ windows: {} }), TypeError, "no window");
  assertThrows(() => counter({ windows: { registers: { size: 8, option: "limit" } } }), TypeError, "two options limit");
});

Deno.test("device: at work inline, from its registers to its interrupt and its inputs; what it keeps outlives a reboot", async () => {
  using kit = bench();
  const wires = capability<{ set(wire: number, level: boolean): void }>("Wires", "domain");
  const plugin = devicePlugin(counter(), { provides: [wires], provide: (provide, set) => provide(wires, { set }) });
  const state = await kit.attach(plugin, { limit: 2, at: AT, interrupt: 40 });
  kit.write32(AT, 1);
  assertEquals(kit.interrupts.level(40), false);
  kit.get(wires).set(1, true);
  assertEquals([kit.read32(AT), kit.interrupts.level(40)], [3, true]);
  kit.write32(AT + 4, 1);
  assertEquals([kit.read32(AT), kit.interrupts.level(40)], [0, false]);
  assertThrows(() => kit.get(wires).set(2, true), RangeError, "input 2: want 0 to 1");
  assertEquals(plugin.keep!(state), { COUNT: 0 });
});

Deno.test("device: what it is given is declared, checked, and can be taken to pieces", async () => {
  const device = counter({
    ports: () => ["a"],
    create({ port, disk, interrupt, dma, random, bootTimeSeconds, counterFrequencyHz, fail }): Device {
      port("a").write(0x41);
      assertThrows(() => port("b"), Error, `ports don't name "b"`);
      assertThrows(() => disk("a"), Error, "disks");
      assertThrows(() => interrupt("empty"), Error, "no interrupt");
      assertEquals([dma.write(RAM, Uint8Array.of(1, 2)), dma.read(RAM, 2)], [true, Uint8Array.of(1, 2)]);
      assertEquals([dma.write(RAM - 1, Uint8Array.of(1, 2)), dma.read(RAM - 1, 2), dma.read(0, 2 ** 40)], [false, undefined, undefined]);
      assertEquals([random(3).length, bootTimeSeconds > 0, counterFrequencyHz > 0], [3, true, true]);
      return fail("limit", "is too small");
    },
  });
  using kit = bench();
  const error = await assertRejects(async () => await kit.attach(devicePlugin(device), { limit: 2, at: AT, interrupt: 40 }), OptionError);
  assertEquals([error.option, kit.output("a")], ["limit", "A"]);
});

Deno.test("device: a window that nobody serves is the device's own bug, and named", async () => {
  using kit = bench();
  const plugin = devicePlugin(counter({ create: () => ({ windows: {} }) }));
  await assertRejects(async () => await kit.attach(plugin, { limit: 2, at: AT, interrupt: 40 }), Error, "window registers");
});

Deno.test("device: behind IOREQ the same source answers through whoever runs it, and is told when the domain goes", async () => {
  const seen: string[] = [];
  const host: DeviceHost = {
    start<O, S>({ device, owner, context, windows }: DeviceStart<O, S>) {
      seen.push(`${owner} ${JSON.stringify(windows)}`);
      const elsewhere = { ...context, state: structuredClone(context.state) } as DeviceContext<O, S>;
      const running = device.create(elsewhere);
      return Promise.resolve({
        windows: running.windows,
        input: (wire, level) => running.input?.(wire, level),
        stopped: () => seen.push("stopped"),
      });
    },
  };
  const wires = capability<{ set(wire: number, level: boolean): void }>("Wires", "domain");
  const plugin = devicePlugin(counter({ module: import.meta.url }), { provides: [wires], provide: (give, set) => give(wires, { set }) });
  const kit = bench({ provide: [[DeviceHost, host]] });
  const state = await kit.attach(plugin, { limit: 2, at: AT, interrupt: 40, runs: "ioreq" });
  kit.get(wires).set(0, true); // nobody is there yet
  await kit.boot();
  kit.write32(AT, 1);
  kit.get(wires).set(0, true);
  assertEquals([kit.read32(AT), kit.interrupts.level(40), state.COUNT], [2, true, 0]);
  kit.close();
  assertEquals(seen, [`guest/counter@a000000 {"registers":{"at":${AT},"size":512}}`, "stopped"]);
});

Deno.test("device: behind IOREQ without one, or without a module, is a mistake of the board", async () => {
  const options = { limit: 2, at: AT, interrupt: 40, runs: "ioreq" } as const;
  const titles = (device: DeviceModel<Options, State>, uses: PluginUse[] = []) =>
    resources(devicePlugin(device), options, uses).findings!.map(({ title }) => title);
  const ioreq = definePlugin({ name: "ioreq", doc: "", options: {}, provides: [DeviceHost], attach: () => {} });
  assertEquals(titles(counter(), [asUse(ioreq)]), ["counter can't run behind IOREQ: it doesn't say which module it is in"]);
  assertEquals(titles(counter({ module: "x" })), ["counter runs behind IOREQ, and nobody provides that"]);
  assertEquals(titles(counter({ module: "x" }), [asUse(ioreq)]), []);
  using kit = bench();
  await kit.attach(devicePlugin(counter({ module: "x" })), options);
  await assertRejects(() => kit.boot(), OptionError, "nobody runs devices behind IOREQ");
});

Deno.test("device: another thread finds it by module and name, as itself or in its plugin", async () => {
  const url = (path: string) => new URL(path, import.meta.url).href;
  assertEquals((await importDevice(url("../pl031/mod.ts"), "pl031")).name, "pl031");
  assertEquals((await importDevice(url("../virtio/mod.ts"), "virtio_rng")).name, "virtio_rng");
  assertEquals((await importDevice(url("../../examples/sp805.ts"), "sp805")).name, "sp805");
  await assertRejects(() => importDevice(url("../pl031/mod.ts"), "pl061"), Error, "exports no device pl061");
});
