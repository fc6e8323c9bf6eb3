/** A snapshot goes on as the machine does that it was taken of: to the instruction, the nanosecond and the byte. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { decode, encode } from "../../core/snapshot/codec.ts";
import { boot, Machine, readSnapshot, Snapshot, SnapshotError, writeSnapshot } from "../../mod.ts";
import type { MachineEnvironment } from "../../mod.ts";
import { Random } from "../support/random.ts";
import { outcome } from "./outcome.ts";

const tour = new URL("../../boards/tour.yaml", import.meta.url).pathname;
const decoder = new TextDecoder();

/** Runs a machine to its end. */
function finish(machine: Machine): unknown {
  const stopped = machine.runFor(60e9, Infinity);
  assert(stopped, "it doesn't end");
  return { stopped, ...outcome(machine) };
}

for (const vcpus of [1, 3]) {
  Deno.test(`the tour on ${vcpus} vCPUs, saved on its way: machine, restored one and undisturbed one end alike`, async () => {
    const set = { "domains.tour.vcpus": String(vcpus) };
    const texts = new Map<string, string>();
    const hears = (who: string): Pick<MachineEnvironment, "onSerial"> => ({
      onSerial: (_port, bytes) => void texts.set(who, (texts.get(who) ?? "") + decoder.decode(bytes)),
    });
    const undisturbed = await boot(tour, { set, ...hears("undisturbed") });
    const whole = finish(undisturbed);
    const endNs = undisturbed.nowNs;
    undisturbed.dispose();
    for (const part of [0, 0.2, 0.5, 0.9]) {
      texts.delete("saved");
      const machine = await boot(tour, { set, ...hears("saved") });
      machine.runFor(endNs * part, Infinity);
      const before = texts.get("saved") ?? "";
      const snapshot = machine.save();
      assertEquals(snapshot.about.nowNs, machine.nowNs);
      texts.set("restored", before);
      const restored = await Machine.restore(machine.board, { ...machine.environment, ...hears("restored") }, snapshot);
      assertEquals(outcome(restored), outcome(machine), `at once after ${part}`);
      assertEquals(finish(machine), whole, `the one that was saved at ${part}`);
      assertEquals(finish(restored), whole, `the one that was restored at ${part}`);
      machine.dispose();
      restored.dispose();
      assertEquals([texts.get("saved"), texts.get("restored")], [texts.get("undisturbed"), texts.get("undisturbed")]);
    }
  });
}

/** The tour in its middle, in a file. */
async function savedTour(use: (machine: Machine, file: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  const machine = await boot(tour);
  try {
    machine.runFor(1e6, Infinity);
    using snapshot = machine.save();
    writeSnapshot(`${directory}/tour.snap`, snapshot);
    await use(machine, `${directory}/tour.snap`);
  } finally {
    machine.dispose();
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a snapshot in a file is the snapshot", async () => {
  await savedTour(async (machine, file) => {
    using read = readSnapshot(file);
    const { images, ...about } = read.about;
    assertEquals(about, machine.save().about);
    assertEquals(Object.values(images!).map((hash) => hash.length), [64]);
    const restored = await Machine.restore(machine.board, machine.environment, read);
    assertEquals(outcome(restored), outcome(machine));
    assertEquals(finish(restored), finish(machine));
    restored.dispose();
    const { size } = await Deno.stat(file);
    assert(size < 1_000_000, `${size} bytes for a small guest`);
  });
});

Deno.test("a snapshot of another board, version or CPU is refused, and says why", async () => {
  await savedTour(async (machine, file) => {
    const other = await boot(tour, { set: { seed: "7" } });
    using read = readSnapshot(file);
    await assertRejects(() => Machine.restore(other.board, other.environment, read), SnapshotError, "another board");
    other.dispose();
    const about = { ...read.about, layout: "another" };
    const strange = new Snapshot(about, read.state, read.pages);
    await assertRejects(() => Machine.restore(machine.board, machine.environment, strange), SnapshotError, "another version of the CPU");
    const bytes = await Deno.readFile(file);
    const at = new TextDecoder("latin1").decode(bytes).indexOf('"version":2');
    bytes[at + '"version":'.length] = "9".charCodeAt(0);
    await Deno.writeFile(file, bytes);
    assertThrows(() => readSnapshot(file), SnapshotError, "it is of version 9; this program reads 2");
  });
});

Deno.test("a damaged file is refused wherever the damage is, and nothing else happens", async () => {
  await savedTour(async (machine, file) => {
    const whole = await Deno.readFile(file);
    const random = new Random("damage");
    let restored = 0;
    for (let n = 0; n < 24; n++) {
      let bytes = whole.slice();
      if (n % 3 === 0) bytes = bytes.slice(0, random.below(bytes.length));
      else for (let flips = 1 + random.below(3); flips > 0; flips--) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
      await Deno.writeFile(file, bytes);
      try {
        using read = readSnapshot(file);
        const copy = await Machine.restore(machine.board, machine.environment, read);
        restored++;
        copy.runFor(1e5, 1000);
        copy.dispose();
      } catch (error) {
        assert(error instanceof SnapshotError, `${(error as Error).stack}`);
      }
    }
    assert(restored < 6, `${restored} damaged files were taken`);
  });
});

Deno.test("a state that lies is refused, or its guest ends: the host goes on", async () => {
  const machine = await boot(tour);
  machine.runFor(1e6, Infinity);
  const snapshot = machine.save();
  const random = new Random("lies");
  let refused = 0;
  for (let n = 0; n < 24; n++) {
    const state = decode(snapshot.state) as Record<string, unknown>;
    const places: (() => void)[] = [];
    const visit = (value: unknown) => {
      if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
      const entries = value instanceof Map ? [...value] : Object.entries(value);
      for (const [key, item] of entries) {
        const wild = [0, -1, 2 ** 40, NaN, "x", null, undefined, [], {}, 1n][random.below(10)];
        places.push(() => value instanceof Map ? value.set(key, wild) : (value as Record<string, unknown>)[key as string] = wild);
        visit(item);
      }
    };
    visit(state);
    places[random.below(places.length)]();
    try {
      const lie = new Snapshot(snapshot.about, encode(state), snapshot.pages);
      const restored = await Machine.restore(machine.board, { ...machine.environment, onTrace: undefined }, lie);
      restored.runFor(1e5, 1000);
      restored.dispose();
    } catch (error) {
      assert(error instanceof SnapshotError, `${(error as Error).stack}`);
      refused++;
    }
  }
  assert(refused > 4, `${refused}`);
  machine.dispose();
});
