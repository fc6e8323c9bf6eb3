/** Back in time under the real GDB: from a value to the instruction that wrote it. */
import { assertEquals } from "@std/assert";
import { changed, debianBoard } from "../guests/debian_images.ts";
import { missing } from "../support/toolchain.ts";
import { assertSeen, debug, gdb, undisturbed } from "./gdb.ts";

const tour = new URL("../../boards/tour.yaml", import.meta.url).pathname;
const { manifest, images } = await debianBoard("debian");
const positions = (lines: readonly string[]) => lines.flatMap((line) => /, (\d+) instructions$/.exec(line)?.slice(1) ?? []).map(Number);

Deno.test({
  name: "GDB steps back and forth on the tour's four vCPUs; going on afterwards, the tour is what it was",
  ignore: missing(gdb),
  async fn() {
    const { lines, console, ended, instructions, nowNs } = await debug(tour, [
      "stepi 5",
      "print/x $pc",
      "monitor position",
      "reverse-stepi 3",
      "monitor position",
      "stepi 3",
      "print/x $pc",
      "monitor position",
      // The ticks of CPU 2, which its interrupt handler counts.
      "watch *(int *) 0x400030ac",
      "continue",
      "set variable $after = $pc",
      "continue",
      "continue",
      "monitor position",
      "reverse-continue",
      "reverse-continue",
      "reverse-continue",
      "monitor position",
      'printf "writer %d\\n", $after - $pc',
      "reverse-continue",
      "monitor position",
      "delete",
      "continue",
    ], { finishes: true });
    assertSeen(lines, [
      /^\$1 = 0x/,
      /^\$2 = 0x/,
      /^New value = 1/,
      /^New value = 2/,
      /^New value = 3/,
      /^New value = 2/,
      /^New value = 1/,
      /^Thread 3 "tour" hit Hardware watchpoint/,
      /^Old value = 1/,
      /^New value = 0/,
      // Before the store that the watchpoint stopped behind.
      /^writer 4/,
      /^No more reverse-execution history/,
    ]);
    assertEquals(lines.find((line) => line.startsWith("$1"))?.slice(2), lines.find((line) => line.startsWith("$2"))?.slice(2));
    const [five, two, again, third, , begin] = positions(lines);
    assertEquals([five, two, again, begin], [5, 2, 5, 0], `${third}`);
    const { nowNs: plainNs, ...plain } = await undisturbed(tour);
    assertEquals([{ console, instructions }, ended?.kind, nowNs], [plain, "power-off", plainNs]);
  },
});

Deno.test({
  name: "In Debian's kernel, GDB goes from a mutex that is being unlocked back to the instruction that locked it, on four vCPUs",
  ignore: missing(gdb) || images === undefined,
  async fn() {
    const board = changed(manifest, [["vcpus: 2", "vcpus: 4"]]);
    const { lines } = await debug(board, [
      "tbreak kernel_init",
      "continue",
      "tbreak mutex_unlock",
      "continue",
      "monitor position",
      "watch -location *(long *) $x0",
      "reverse-continue",
      "monitor position",
      "x/i $pc",
      "stepi",
      "backtrace 1",
      "delete",
      "tbreak rest_init",
      "reverse-continue",
      "monitor position",
    ], { images, set: { pcpus: "4" }, limitMs: 300_000 });
    assertSeen(lines, [
      /hit Temporary breakpoint 2, .* in mutex_unlock \(\)/,
      /hit Hardware watchpoint 3/,
      /^Old value = -\d+/,
      /^New value = 0/,
      / in mutex_lock \(\)/,
      /^=> 0xffff[0-9a-f]+ <mutex_lock\+\d+>:\s+(stl?xr|cas)/,
      /^#0 .* in mutex_lock \(\)/,
      /hit Temporary breakpoint 4, .* in rest_init \(\)/,
    ]);
    const [unlock, lock, rest] = positions(lines);
    assertEquals(rest < lock && lock < unlock, true, `${rest} ${lock} ${unlock}`);
  },
});
