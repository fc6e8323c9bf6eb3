/**
 * Back-ends that scribble over all they can reach, in real Workers, while requests are under way: whatever they do, an access ends in time,
 * with a value or a bus error, nothing throws, and no byte outside of their frames changes. PLUGBOARD_HOSTILE: rounds, 1 when absent.
 */
import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import { ioreq } from "./mod.ts";
import { hostile, styles } from "./tests/hostile.ts";

const AT = 0x0900_0000;
const RAM = 0x4000_0000;
const ROUNDS = Number(Deno.env.get("PLUGBOARD_HOSTILE") ?? 1);
const DEADLINE_MS = 150;

/** What may be lost to the host's other work. */
const SLACK_MS = 3000;

for (const style of styles) {
  Deno.test(`hostile back-end: ${style}`, async () => {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      using kit = bench();
      const pattern = Uint8Array.from({ length: 0x3000 }, (_, n) => n * 31 >> 3);
      kit.domain.writeMemory(RAM, pattern);
      await kit.attach(ioreq, {
        on_failure: "bus_error",
        order: "strict",
        deadline: DEADLINE_MS * 1e6,
        virtual_deadline: 1e9,
        buffered: false,
        frames: [{ at: RAM + 0x1000, size: 0x1000 }],
      });
      const state = await kit.attach(hostile, { at: AT, interrupt: 40, runs: "ioreq", style, seed });
      try {
        await kit.boot();
      } catch (error) {
        // It may refuse to start as well: with a reason.
        assert(String(error).includes("doesn't start behind IOREQ"), String(error));
        continue;
      }
      for (let n = 0; n < 200; n++) {
        const began = performance.now();
        try {
          if (n % 2 === 0) kit.read32(AT);
          else kit.write32(AT, n);
        } catch (error) {
          assert(/doesn't answer/.test(String(error)), String(error));
        }
        assert(performance.now() - began < DEADLINE_MS + SLACK_MS, `access ${n} took too long`);
        kit.advance(1000);
      }
      assertEquals(typeof { ...state }.value, "number");
      const memory = kit.domain.readMemory(RAM, pattern.length);
      assertEquals(memory.subarray(0, 0x1000), pattern.subarray(0, 0x1000));
      assertEquals(memory.subarray(0x2000), pattern.subarray(0x2000));
      const told = kit.traced.filter((text) => text.startsWith("device behind IOREQ") && !/its state/.test(text));
      assert(told.length <= 1, told.join("\n"));
      if (/outside|without end|phase/.test(style)) assertEquals(told.length, 1, `seed ${seed}: it is found out`);
    }
  });
}
