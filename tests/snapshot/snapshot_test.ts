/** A snapshot goes on as the machine does that it was taken of: to the instruction, the nanosecond and the byte. */
import { assert, assertEquals } from "@std/assert";
import { boot, Machine } from "../../mod.ts";
import type { MachineEnvironment } from "../../mod.ts";
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
