/** Debian's kernel on four vCPUs under the real GDB, which takes the kernel's symbols from the kernel itself. */
import { assert, assertEquals } from "@std/assert";
import { changed, debianBoard } from "../guests/debian_images.ts";
import { missing } from "../support/toolchain.ts";
import { assertSeen, debug, gdb } from "./gdb.ts";

const { manifest, images } = await debianBoard("debian");

Deno.test({
  name: "Debian's kernel under GDB: breaks by name before it boots, steps, finishes, watches a lock that another function frees",
  ignore: missing(gdb) || images === undefined,
  async fn() {
    const board = changed(manifest, [["vcpus: 2", "vcpus: 4"]]);
    const { lines, instructions } = await debug(board, [
      "break start_kernel",
      "continue",
      "backtrace",
      "stepi",
      "x/i $pc",
      'printf "sctlr %#lx vbar %#lx\\n", $SCTLR_EL1, $VBAR_EL1',
      "info symbol $VBAR_EL1",
      "delete",
      "break mutex_lock",
      "continue",
      "set variable $lock = (long *) $x0",
      "watch -location *$lock",
      "delete 2",
      "continue",
      "continue",
      "delete",
      "tbreak kernel_init",
      "continue",
      "tbreak do_sys_openat2",
      "continue",
      "finish",
      "info threads",
      "monitor exits",
      "monitor phys on",
      "set variable $start = (long) &vectors & ~0x1ffffff",
      "set variable $physical = 0x40000000 + (long) &vectors - $start",
      'printf "physical %#x\\n", *(int *) $physical',
      "maintenance packet Qqemu.PhyMemMode:0",
      'printf "virtual %#x\\n", *(int *) &vectors',
      // There is no such virtual address.
      "x/1xw $physical",
    ], { images, set: { pcpus: "4" }, limitMs: 300_000 });
    assertSeen(lines, [
      /^Thread 1 "linux" hit Breakpoint 1, 0xffff[0-9a-f]+ in start_kernel \(\)/,
      /^#0 .* in start_kernel \(\)/,
      /^#1 .* in __primary_switched \(\)/,
      /^0xffff[0-9a-f]+ in start_kernel \(\)/,
      /^=> 0xffff[0-9a-f]+ <start_kernel\+4>:/,
      // The MMU is on.
      /^sctlr 0x[0-9a-f]*[13579bdf] vbar 0xffff/,
      /^vectors in section \.text/,
      /hit Breakpoint 2, .* in mutex_lock \(\)/,
      /^Hardware watchpoint 3: -location \*\$lock/,
      /^Old value = 0/,
      /^New value = -\d+/,
      / in mutex_lock \(\)/,
      /^Old value = -\d+/,
      /^New value = 0/,
      / in mutex_unlock \(\)/,
      /hit Temporary breakpoint 4, .* in kernel_init \(\)/,
      /hit Temporary breakpoint 5, .* in do_sys_openat2 \(\)/,
      /^Run till exit|^0xffff[0-9a-f]+ in \w*openat/,
      /^\*? +\d +Thread 1\.1 "linux"/,
      /^\*? +4 +Thread 1\.4 "linux"/,
      /^physical 0x/,
      /^virtual 0x/,
      /^Cannot access memory at address 0x40/,
    ]);
    const [physical, virtual] = ["physical", "virtual"].map((name) => lines.find((line) => line.startsWith(name))?.split(" ")[1]);
    assertEquals(physical, virtual);
    assert(lines.some((line) => /^ +\d+ {2}mmio$/.test(line)), lines.join("\n"));
    assert(instructions > 0);
  },
});
