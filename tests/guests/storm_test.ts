/**
 * A storm of interrupts on a guest that counts them (examples/guests/storm): a device raises edges and levels on lines of several priorities,
 * at random times, in bursts, to four vCPUs. What the guest took is what the device sent, exactly; PLUGBOARD_STORM says of how many. And a line that stays high for 100,000
 * acknowledgements, beside which the rest of the guest lives on.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { definePlugin, Interrupts } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { gicv3 } from "../../plugins/gic/mod.ts";
import type { GicState } from "../../plugins/gic/vgic/state.ts";
import { changed } from "./debian_images.ts";
import { Session } from "./session.ts";

const root = new URL("../../", import.meta.url);
const kernel = await Deno.readFile(new URL("examples/guests/storm/storm.bin", root));
const manifest = await Deno.readTextFile(new URL("boards/tour.yaml", root));

const DEVICE = 0x0a00_0000;
const FIRST_INTID = 40;
/** Registers of the device; arrays have a word for each line. */
const START = 0x0, DONE = 0x4, LINES = 0x8, FIRST = 0xc, EDGE = 0x100, PRIORITY = 0x200, SERVE = 0x300;

/** Each of four CPUs has four, of both triggers, with priorities above and below the timer's 0xa0. The last one goes to any CPU. */
const lines = Array.from({ length: 16 }, (_, n) => ({ edge: (n + (n >> 2)) % 2 === 1, priority: [0x40, 0x80, 0x98, 0xc0][n >> 2] }));

/** A level line whose priority is below the timer's. */
const STUCK = 13;

/** Interrupts of a storm. */
const EVENTS = Number(Deno.env.get("PLUGBOARD_STORM") ?? 40_000);

/** What a device did, by line. */
interface Sent {
  /** Edges, and rises of level lines. */
  readonly raised: number[];
  /** Edges that came while the one before was pending. */
  readonly merged: number[];
  /** How often the guest's handler served the line. */
  readonly served: number[];
}

/** The device, and a GIC whose pending bits it can ask for. `stuckFor`: {@linkcode STUCK} stays high
 * until so many services, and nothing else happens. */
function storm(events: number, stuckFor: number): { plugins: Plugin[]; sent: Sent } {
  const none = () => lines.map(() => 0);
  const sent: Sent = { raised: none(), merged: none(), served: none() };
  let gic: GicState | undefined;
  const watched: Plugin = definePlugin({
    ...gicv3,
    attach(context) {
      gic = context.state as GicState;
      return gicv3.attach!(context);
    },
  });
  const device = definePlugin({
    name: "storm",
    doc: "Raises interrupts at random times.",
    options: {},
    needs: [Interrupts],
    resources: () => ({
      windows: [{ name: "registers", at: DEVICE, size: 0x1000 }],
      interrupts: lines.map(({ edge }, n) => ({
        name: `line ${n}`,
        intid: FIRST_INTID + n,
        trigger: edge ? "edge" as const : "level" as const,
      })),
    }),
    state: () => ({ left: events, high: lines.map(() => false) }),
    attach({ get, state, clock, random, exceptions }) {
      const inputs = lines.map((_, n) => get(Interrupts).spi(FIRST_INTID + n));
      const isPending = (n: number) => (gic!.latch[gic!.vcpus + (FIRST_INTID + n >>> 5) - 1] >>> (FIRST_INTID + n & 31) & 1) !== 0;
      const raise = (n: number) => {
        if (lines[n].edge) {
          sent.raised[n]++;
          if (isPending(n)) sent.merged[n]++;
          inputs[n].set(true);
          inputs[n].set(false);
        } else if (!state.high[n]) {
          sent.raised[n]++;
          state.high[n] = true;
          inputs[n].set(true);
        }
      };
      const timer = clock.timer("burst", () => {
        const [size, wait, ...which] = random(16);
        for (const n of which.slice(0, 1 + size % 14)) {
          if (state.left === 0) return;
          state.left--;
          raise(n % lines.length);
        }
        timer.arm(clock.nowNs + 100 + wait * wait / 4); // up to 16 us
      });
      const isDone = () => state.left === 0 && !state.high.includes(true) && lines.every(({ edge }, n) => !edge || !isPending(n));
      exceptions.claimMmio(DEVICE, 0x1000, "registers", {
        read(offset) {
          const n = offset >>> 2 & 31;
          if (offset === DONE) return isDone() ? 1 : 0;
          if (offset === LINES) return lines.length;
          if (offset === FIRST) return FIRST_INTID;
          if (offset >= EDGE && offset < EDGE + 4 * lines.length) return lines[n].edge ? 1 : 0;
          if (offset >= PRIORITY && offset < PRIORITY + 4 * lines.length) return lines[n].priority;
          return 0;
        },
        write(offset) {
          if (offset === START) {
            if (stuckFor > 0) raise(STUCK);
            else timer.arm(clock.nowNs);
            return;
          }
          const n = offset - SERVE >> 2;
          if (lines[n] === undefined) return;
          sent.served[n]++;
          if (lines[n].edge || sent.served[n] < stuckFor) return;
          state.high[n] = false;
          inputs[n].set(false);
        },
      });
    },
  });
  return { plugins: [watched, device], sent };
}

async function run(events: number, stuckFor: number, listRegisters: number): Promise<{ sent: Sent; taken: number[]; console: string }> {
  const { plugins, sent } = storm(events, stuckFor);
  const text = changed(manifest, [["../examples/guests/tour/tour.bin", "storm.bin"], [
    "      - use: fdt\n",
    "      - use: storm\n      - use: fdt\n",
  ]]);
  using guest = await Session.start(text, {
    plugins,
    images: new Map([["storm.bin", kernel]]),
    set: { "plugins.gicv3.list_registers": String(listRegisters) },
  });
  assertEquals(guest.finish(60e9).kind, "power-off", guest.console);
  assertStringIncludes(guest.console, "Storm over");
  const taken = [...guest.console.matchAll(/line \d+: (\d+)/g)].map(([, count]) => Number(count));
  return { sent, taken, console: guest.console };
}

for (const listRegisters of [1, 4, 16]) {
  Deno.test(`a storm of interrupts on four vCPUs, ${listRegisters} list registers: the guest takes each that was sent`, async () => {
    const { sent, taken, console } = await run(EVENTS, 0, listRegisters);
    assertEquals(taken, sent.raised.map((raised, n) => raised - sent.merged[n]), console);
    assertEquals(sent.served, taken);
    const cpus = [...console.matchAll(/ticks (\d+), stray (\d+), deepest (\d+)/g)].map((match) => match.slice(1).map(Number));
    for (const [ticks, stray] of cpus) assert(ticks > 20 && stray === 0, console);
    assert(Math.max(...cpus.map(([, , deepest]) => deepest)) >= 3, `handlers hardly preempt each other: ${console}`);
    assert(sent.merged.some((count) => count > 0), "no edge came while the one before was pending: the storm is a breeze");
  });
}

Deno.test("a line that is stuck high interrupts 100,000 times, and every CPU keeps its timer ticks", async () => {
  const { sent, taken, console } = await run(0, 100_000, 4);
  assertEquals([taken[STUCK], sent.served[STUCK]], [100_000, 100_000]);
  const ticks = [...console.matchAll(/ticks (\d+)/g)].map(([, count]) => Number(count));
  assert(ticks.length === 4 && ticks.every((count) => count >= Math.max(...ticks) - 2 && count > 5), console);
});
