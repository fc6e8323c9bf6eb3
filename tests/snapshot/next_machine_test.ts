/** A machine's memory is the next one's, and holds nothing of it: of what was booted, of forks, of what the CPU engine kept there. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { takeSharedMemory } from "../../core/memory/shared_memory.ts";
import { boot } from "../../mod.ts";

const tour = new URL("../../boards/tour.yaml", import.meta.url).pathname;

/** The first word that isn't zero; -1 when there is none. */
function firstWord(wasm: WebAssembly.Memory): number {
  const words = new Int32Array(wasm.buffer);
  for (let n = 0; n < words.length; n++) if (words[n] !== 0) return n;
  return -1;
}

for (const tier1 of ["off", "on", "force"]) {
  Deno.test(`what a machine and its forks leave behind is zero, with tier 1 ${tier1}`, async () => {
    const machine = await boot(tour, { set: { "plugins.cpu_a64.tier1": tier1, "domains.tour.vcpus": "3" } });
    machine.runFor(1e6, Infinity);
    const fork = await machine.fork();
    using snapshot = machine.save();
    const second = await machine.fork({}, snapshot);
    const bytes = machine.memory.wasm.buffer.byteLength;
    for (const one of [machine, fork, second]) {
      assertEquals(one.runFor(60e9, Infinity)?.kind, "power-off");
      const [{ vcpus: [{ state }] }] = one.domains;
      const { memory } = one;
      one.dispose();
      assertThrows(() => memory.view(memory.banks[0].base, 4), RangeError);
      assertThrows(() => state.setX(1, 1n), Error, "the machine is gone");
      const next = takeSharedMemory(bytes, 0x1000_0000);
      assert(next.wasm === memory.wasm, "it is used again");
      assertEquals([firstWord(next.wasm), next.touched.indexOf(1)], [-1, -1]);
    }
  });
}
