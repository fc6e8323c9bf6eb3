/** What a debugger writes and somebody types while a machine is halted in the middle of a turn: a replay gives it between the same instructions. */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { boot } from "../../mod.ts";
import type { JournalEntry, Machine } from "../../mod.ts";
import { outcome } from "./outcome.ts";

const shout = fromFileUrl(new URL("../../examples/guests/shout/board.yaml", import.meta.url));
const HEARD = 0x4008_0034n, LETTERS = 0x4008_0068n;
const encoder = new TextEncoder(), decoder = new TextDecoder();

function runTo(machine: Machine, ns: number): void {
  while (machine.nowNs < ns) assert(!machine.runFor(ns - machine.nowNs, Infinity));
}

Deno.test("a debugger's writes and what is typed meanwhile, in the middle of a turn, are in the recording", async () => {
  const entries: JournalEntry[] = [];
  let text = "", again = "";
  const machine = await boot(shout, {
    expectsInput: true,
    onInput: (entry) => void entries.push(entry),
    onSerial: (_port, bytes) => void (text += decoder.decode(bytes)),
  });
  const debug = machine.debugger;
  runTo(machine, 1e6);
  machine.serialInput("console", encoder.encode("ab"));
  debug.setStops([{ on: "execute", space: "virtual", address: HEARD, size: 4 }]);
  for (let n = 0; n < 5; n++) {
    debug.resume();
    for (let slices = 0; debug.halt === undefined; slices++) assert(slices < 1000 && !machine.runFor(1e6, Infinity));
    const { vcpu } = debug.halt as { readonly vcpu: Machine["domains"][0]["vcpus"][0] };
    assert(debug.isWithinRound);
    debug.writeRegister(vcpu, "X1", 0x70n + BigInt(n));
    assertEquals(debug.writeVirtual(vcpu, LETTERS, Uint8Array.of(n, n)), 2);
    assertEquals(debug.writePhysical(vcpu.domain, LETTERS + 8n, Uint8Array.of(n)), 1);
    if (n < 3) machine.serialInput("console", encoder.encode("c"));
    debug.resume({ step: vcpu });
    machine.runFor(1e6, Infinity);
    assertEquals(debug.halt?.kind, "step");
    debug.writeRegister(vcpu, "V3", BigInt(n) << 100n);
  }
  debug.detach();
  runTo(machine, 20e6);
  assertEquals(text, "> P\n> Q\n> R\n> S\n> T\n> ");
  assertEquals(entries.filter(({ at }) => at.halted).length, 23);

  const replay = await boot(shout, { replay: entries, onSerial: (_port, bytes) => void (again += decoder.decode(bytes)) });
  runTo(replay, machine.nowNs);
  assertEquals([replay.journal.next, again], [undefined, text]);
  assertEquals(outcome(replay), outcome(machine));
  machine.dispose();
  replay.dispose();
});
