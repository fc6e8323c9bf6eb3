/** Two domains, which GDB has as two processes. */
import { assert, assertEquals } from "@std/assert";
import { changed } from "../guests/debian_images.ts";
import { missing } from "../support/toolchain.ts";
import { assertSeen, debug, gdb } from "./gdb.ts";

const root = new URL("../../", import.meta.url);
const kernel = await Deno.readFile(new URL("examples/guests/tour/tour.bin", root));
const manifest = changed(await Deno.readTextFile(new URL("boards/tour.yaml", root)), [
  ["size: 80MiB", "size: 160MiB"],
  ["../examples/guests/tour/tour.bin", "tour.bin"],
]);
const domain = manifest.slice(manifest.indexOf("  - name: tour"));
const board = manifest + changed(domain, [["name: tour", "name: second"], ["vcpus: 4", "vcpus: 2"], ["port: console", "port: second"]]);
const images = new Map([["tour.bin", kernel]]);

Deno.test({
  name: "two domains are two processes: threads, memory and breakpoints are each one's own; one is killed, the other goes on",
  ignore: missing(gdb),
  async fn() {
    const { lines, console } = await debug(board, [
      "add-inferior",
      "inferior 2",
      "attach 2",
      "info inferiors",
      "set schedule-multiple on",
      "info threads",
      // Both have this address; only the second stops at it.
      "break *0x40000810",
      "inferior 1",
      "set variable *(int *) 0x43000000 = 0x1111",
      "inferior 2",
      "set variable *(int *) 0x43000000 = 0x2222",
      "continue",
      'printf "second %#x\\n", *(int *) 0x43000000',
      "inferior 1",
      'printf "first %#x\\n", *(int *) 0x43000000',
      "monitor ps",
      "inferior 2",
      "kill",
      "inferior 1",
      "continue",
    ], { images, finishes: true });
    assertSeen(lines, [
      /^\* 2 +process 2/,
      / Thread 1\.4 "tour"/,
      /^\* .* Thread 2\.1 "second"/,
      / Thread 2\.2 "second" \(powered down\)/,
      /^Thread 2\.1 "second" hit Breakpoint 1, 0x0*40000810/,
      /^second 0x2222/,
      /^first 0x1111/,
      /^\[Inferior 2 \(process 2\) killed\]/,
      /^\[Inferior 1 \(process 1\) exited normally\]/,
    ]);
    assert(console.includes("Tour complete: 4 CPUs"), console);
    assertEquals(console.includes("Tour complete: 2 CPUs"), false);
  },
});
