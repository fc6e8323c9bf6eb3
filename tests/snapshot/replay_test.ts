/** What somebody typed while virtual time kept pace with a clock that stutters, repeated: the same run, to the instruction. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { boot, ReplayError } from "../../mod.ts";
import type { JournalEntry, Machine } from "../../mod.ts";
import { debianBoard } from "../guests/debian_images.ts";
import { outcome } from "./outcome.ts";

const { manifest, images } = await debianBoard("debian");
const encoder = new TextEncoder(), decoder = new TextDecoder("latin1");

Deno.test({
  name: "an interactive session of Debian, recorded and replayed: console, instructions and memory are equal",
  ignore: images === undefined,
  async fn() {
    const entries: JournalEntry[] = [];
    // The host's clock as an interactive run meets it: it goes on while nobody runs, and jumps.
    let wall = 0;
    let console = "";
    const machine = await boot(manifest, {
      images,
      set: { time: "host", "domains.linux.vcpus": "2" },
      wallMs: () => wall += 0.7,
      expectsInput: true,
      onInput: (entry) => void entries.push(entry),
      onSerial: (_port, bytes) => void (console += decoder.decode(bytes)),
    });
    const lines = ["echo early", "(seq 1 200 | sha256sum) & sleep 0.05; wait", "cat /proc/uptime /proc/interrupts", "sleep 0.3", "date"];
    let typed = 0;
    const until = (text: string, from = 0) => {
      for (let n = 0; !console.includes(text, from); n++) {
        assert(n < 1e6 && !machine.runFor(Infinity, 20), console.slice(-500));
        if (machine.waiting) wall += Math.min(machine.wakeAfterMs ?? 3, 3);
      }
    };
    const type = (line: string) => {
      // Key by key, as people do: a few instructions or some idle time lie between.
      for (const key of `${line}\n`) {
        machine.serialInput("console", encoder.encode(key));
        machine.runFor(typed++ % 3 * 70_000, 5);
      }
    };
    until("Brought up 1 node");
    type(lines[0]);
    until("shell ready");
    let from = console.indexOf("shell ready");
    for (const line of lines.slice(1)) {
      until("# ", from);
      from = console.length;
      type(line);
    }
    until("UTC");
    assert(entries.length > 50);
    assert(entries.some(({ at }) => at.idle) && entries.some(({ at }) => !at.idle), "typed while it was busy, and while it was idle");
    const end = machine.journal.place;
    const before = outcome(machine);
    machine.dispose();

    let again = "";
    const options = {
      images,
      set: { "domains.linux.vcpus": "2" },
      onSerial: (_port: string, bytes: Uint8Array) => void (again += decoder.decode(bytes)),
    };
    const replay = await boot(manifest, { ...options, replay: entries });
    assertThrows(() => replay.serialInput("console", encoder.encode("x")), ReplayError);
    runTo(replay, end.ns);
    assertEquals(replay.journal.next, undefined, "all input has come");
    assertEquals([replay.journal.place, again], [{ ...end, idle: replay.journal.place.idle }, console]);
    assertEquals(outcome(replay), before);
    replay.dispose();

    const wrong = entries.map((entry, n) => n === 40 ? { ...entry, at: { ...entry.at, instructions: entry.at.instructions + 1 } } : entry);
    const lost = await boot(manifest, { ...options, replay: wrong });
    assertThrows(() => runTo(lost, end.ns), ReplayError, "the replay isn't the run");
    lost.dispose();
  },
});

function runTo(machine: Machine, ns: number): void {
  while (machine.nowNs < ns) assert(!machine.runFor(ns - machine.nowNs, Infinity));
}
