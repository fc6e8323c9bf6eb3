import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { capability } from "./capability.ts";
import { OptionError } from "../board/errors.ts";
import { orderByNeeds } from "./order.ts";
import { definePlugin } from "./plugin.ts";
import type { Plugin } from "./plugin.ts";
import { bench } from "../testing.ts";
import { Serial } from "../host/serial.ts";

const A = capability<string>("A");
const B = capability<string>("B");
const Local = capability<string>("Local", "domain");

const named = (name: string, needs: Plugin["needs"], provides: Plugin["provides"]) =>
  definePlugin({ name, doc: "", options: {}, needs, provides });
const order = (...plugins: Plugin[]) => orderByNeeds(plugins, (plugin) => plugin, "board", new Set(["Given"])).map(({ name }) => name);

Deno.test("order: providers first, else as written", () => {
  const a = named("a", [], [A]);
  const b = named("b", [A], [B]);
  const c = named("c", [B], []);
  const free = named("free", [capability("Given")], []);
  assertEquals(order(c, free, b, a), ["free", "a", "b", "c"]);
  assertEquals(order(a, b, c, free), ["a", "b", "c", "free"]);
  // A need of the other scope doesn't count.
  assertEquals(order(named("late", [Local], []), a), ["late", "a"]);
});

Deno.test("order: circles and missing providers are named", () => {
  assertThrows(() => order(named("x", [A], [B]), named("y", [B], [A])), Error, "in a circle: x, y");
  assertThrows(() => order(named("x", [A], [])), Error, "plugin x needs A, which nobody provides");
});

const attach = (body: NonNullable<Plugin["attach"]>, more: Partial<Plugin> = {}) =>
  definePlugin({ name: "p", doc: "", options: {}, attach: body, ...more });

Deno.test("fail points at the option; other errors name plugin and hook", async () => {
  const kit = bench();
  const error = await assertRejects(() => kit.attach(attach(({ fail }) => fail("at", "no room there")), {}), OptionError, "no room there");
  assertEquals([error.option, error.path], ["at", ["bench", "at"]]);
  await assertRejects(() => kit.attach(attach(() => Promise.reject(new Error("broken"))), {}), Error, "plugin guest/p#2, attach: broken");
  await assertRejects(() => kit.attach(attach(({ host }) => void host.image("x.bin")), {}), Error, 'image "x.bin" was not loaded');
});

Deno.test("capabilities keep to their scope and to what was declared", async () => {
  const kit = bench();
  await assertRejects(
    () => kit.attach(attach(({ provide }) => provide(A, "x"), { provides: [A] }), {}),
    Error,
    "A is a capability of the board: provide it in setup",
  );
  await assertRejects(() => kit.attach(attach(({ provide }) => provide(Local, "x")), {}), Error, `its "provides" doesn't list`);
  await kit.attach(attach(({ provide }) => provide(Local, "x"), { provides: [Local] }), {});
  assertEquals(kit.get(Local), "x");
  await assertRejects(
    () => kit.attach(attach(({ provide }) => provide(Local, "y"), { provides: [Local] }), {}),
    Error,
    "Local is provided by guest/p#3 already",
  );
});

Deno.test("each instance has its own state, random bytes and timers", async () => {
  const kit = bench();
  const bytes: string[] = [];
  const plugin: Plugin<Record<string, never>, { n: number }> = definePlugin({
    name: "p",
    doc: "",
    options: {},
    state: () => ({ n: 0 }),
    attach({ random, state, clock }) {
      bytes.push(`${random(8)}`);
      state.n++;
      clock.timer("t", () => {});
    },
  });
  const first = await kit.attach(plugin, {});
  const second = await kit.attach(plugin, {});
  assertEquals([first.n, second.n, new Set(bytes).size], [1, 1, 2]);
  const again = bench();
  await again.attach(plugin, {});
  assertEquals(bytes[2], bytes[0]);
});

Deno.test("a serial port belongs to one device; early input waits for a listener", async () => {
  const kit = bench();
  let listen = () => {};
  const got: number[] = [];
  const needs = [Serial];
  await kit.attach(
    attach(({ get }) => {
      const port = get(Serial).open("console");
      listen = () => port.onInput((byte) => got.push(byte));
    }, { needs }),
    {},
  );
  kit.input("console", "ab");
  listen();
  kit.input("console", "c");
  assertEquals(got, [97, 98, 99]);
  await assertRejects(() => kit.attach(attach(({ get }) => void get(Serial).open("console"), { needs }), {}), Error, "guest/p has it");
  assertThrows(() => kit.input("nowhere", "x"), Error, "there is console");
});

Deno.test("bus windows overlap neither each other nor RAM", async () => {
  const kit = bench();
  const handler = { read: () => 0, write: () => {} };
  await kit.attach(attach(({ bus }) => bus.claim(0x1000, 0x1000, "", handler)), {});
  await assertRejects(
    () => kit.attach(attach(({ bus }) => bus.claim(0x1800, 8, "x", handler)), {}),
    Error,
    "overlaps 0x1000..0x1fff of guest/p",
  );
  await assertRejects(() => kit.attach(attach(({ bus }) => bus.claim(0x4000_0000, 8, "x", handler)), {}), Error, "overlaps the RAM bank");
});
