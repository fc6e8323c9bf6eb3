/** A run's past: what was typed comes again at its instant, and nobody is shown the same output twice. */
import { assertEquals } from "@std/assert";
import { History } from "../../cli/gdb/history.ts";
import { boot } from "../../mod.ts";
import { assemble, assembler, missing } from "../support/toolchain.ts";
import { BOARD, LOAD } from "../support/program.ts";

/** Sends back what comes, and counts while nothing does. */
const echo = [
  "movz x1, #0x0900, lsl #16",
  "mov w4, #0x301", // UARTEN, TXE, RXE
  "str w4, [x1, #0x30]",
  "mov x5, #200",
  "subs x5, x5, #1",
  "b.ne .-4",
  "ldr w2, [x1, #0x18]",
  "add x0, x0, #1",
  "tbnz w2, #4, .-20",
  "ldr w3, [x1]",
  "str w3, [x1]",
  "b .-32",
];
const STORE = LOAD + 40;

Deno.test({
  name: "back to before a key was pressed, and on again: the key is pressed again, unless somebody presses another one",
  ignore: missing(assembler),
  async fn() {
    const words = assemble(echo).map((one) => "word" in one ? one.word : 0);
    let shown = "";
    const machine = await boot(BOARD, {
      images: new Map([["program.bin", new Uint8Array(Uint32Array.from(words).buffer)]]),
      onSerial: (_, bytes) => shown += new TextDecoder().decode(bytes),
    });
    const history = new History(machine, (line) => {
      throw new Error(line);
    });
    try {
      const now = () => history.machine.domains[0].vcpus[0];
      const registers = () => [0, 1, 2, 3].map((n) => now().state.x(n)).concat(now().state.pc, BigInt(history.machine.nowNs));
      const runTo = (until: number) => {
        history.resumed();
        history.machine.debugger.resume({ until });
        while (!history.machine.debugger.isHalted) history.machine.runFor(Infinity, 1000);
        return registers();
      };
      const type = (text: string) => {
        history.machine.serialInput(history.machine.serialPorts[0], new TextEncoder().encode(text));
        history.typed(history.machine.serialPorts[0], new TextEncoder().encode(text));
      };
      history.machine.debugger.stop();
      history.pass();
      runTo(1000);
      type("a");
      runTo(200_000);
      type("b");
      const before = runTo(399_999);
      const after = runTo(400_000);
      assertEquals(shown, "ab");

      assertEquals((await history.stepBack(now())).kind, "there");
      assertEquals(registers(), before);
      assertEquals(runTo(400_000), after);
      const stop = { on: "execute", space: "virtual", address: BigInt(STORE), size: 4 } as const;
      const second = await history.runBack([stop]);
      assertEquals([second.kind, now().state.x(3)], ["breakpoint", BigInt("b".charCodeAt(0))]);
      assertEquals(runTo(400_000), after);
      await history.runBack([stop]);
      const first = await history.runBack([stop]);
      assertEquals([first.kind, now().state.x(3)], ["breakpoint", BigInt("a".charCodeAt(0))]);
      assertEquals(shown, "ab", "nothing is shown twice");

      // Before b: this time it is c.
      runTo(190_000);
      assertEquals(shown, "aba", "another run begins, of which everything is shown");
      type("c");
      runTo(400_000);
      assertEquals(shown, "abac");
      assertEquals((await history.runBack([stop])).kind, "breakpoint");
      assertEquals(now().state.x(3), BigInt("c".charCodeAt(0)));
      assertEquals((await history.runBack([])).kind, "begin");
      assertEquals(history.machine.debugger.position, 0);
    } finally {
      history.machine.dispose();
    }
  },
});
