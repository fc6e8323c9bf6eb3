import { assert } from "@std/assert";
import { Terminal } from "./terminal.ts";

Deno.test("between slices the event loop hears what comes from outside: after two or so, not after fifty", async () => {
  const terminal = new Terminal();
  const counts: number[] = [];
  for (let n = 0; n < 5; n++) {
    let isOver = false;
    const child = new Deno.Command("true").output().then(() => isOver = true);
    let slices = 0;
    for (; !isOver; slices++) {
      for (const end = performance.now() + 20; performance.now() < end;);
      await terminal.wait(0);
    }
    await child;
    counts.push(slices);
  }
  const [, , median] = counts.sort((a, b) => a - b);
  assert(median <= 20, `${median} slices`);
});
