import { assertEquals, assertThrows } from "@std/assert";
import { bench } from "./testing.ts";
import { definePlugin } from "./plugin/plugin.ts";
import { Interrupts } from "./arch/interrupts.ts";
import { Serial } from "./host/serial.ts";

interface Options {
  at: number;
}

const echo = definePlugin<Options, { last: number }>({
  name: "echo",
  doc: "Echoes bytes; register 0 is data, register 4 counts.",
  options: { at: { kind: "address", doc: "Where.", default: 0x1000_0000 } },
  needs: [Interrupts, Serial],
  state: () => ({ last: 0 }),
  attach({ get, exceptions, options, state, clock }) {
    const line = get(Interrupts).spi(33);
    const port = get(Serial).open("echo");
    const timer = clock.timer("late", () => line.set(false));
    port.onInput((byte) => {
      state.last = byte;
      line.set(true);
      timer.arm(clock.nowNs + 100);
    });
    exceptions.claimMmio(options.at, 0x1000, "", {
      read: (offset) => (offset === 0 ? state.last : 7),
      write: (_offset, _size, value) => port.write(Number(value)),
    });
    exceptions.claimCalls(0x8600_0000, 0x8600_0000, ["hvc"], ({ args }) => args[0] + 1n);
  },
});

Deno.test("a device on the bench: registers, serial, lines, timers and calls", async () => {
  const kit = bench();
  const state = await kit.attach(echo, {} as Options);
  kit.write32(0x1000_0000, 0x41);
  assertEquals(kit.output("echo"), "A");
  kit.input("echo", "z");
  assertEquals(state.last, 0x7a);
  assertEquals(kit.read32(0x1000_0000), 0x7a);
  assertEquals(kit.interrupts.level(33), true);
  kit.advance(99);
  assertEquals(kit.interrupts.level(33), true);
  kit.advance(1);
  assertEquals(kit.interrupts.level(33), false);
  assertEquals(kit.call(0x8600_0000, [41]), { x0: 42n, next: "run" });
  assertEquals(kit.call(0x8600_0001).x0, 2n ** 64n - 1n);
});

Deno.test("an access outside of every window is an abort", async () => {
  const kit = bench();
  await kit.attach(echo, { at: 0x1000_0000 });
  assertThrows(() => kit.read32(0x2000_0000), Error, "nothing is there");
  assertThrows(() => kit.read64(0x1000_0ffc), Error, "beyond the end");
});

Deno.test("closing the bench gives all memory back", async () => {
  const kit = bench();
  await kit.attach(echo, { at: 0x1000_0000 });
  kit.domain.writeMemory(0x4000_0800, new Uint8Array([1, 2, 3]));
  assertEquals(kit.memory.usage().get("guest"), 256);
  kit.close();
  assertEquals(kit.memory.usage().size, 0);
});
