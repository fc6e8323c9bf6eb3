/** The break-before-make checker on real kernels: silent, although it sees what they do to their tables. */
import { assert, assertEquals } from "@std/assert";
import { changed, type Changes, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const board = await debianBoard("debian");

const rows: readonly { readonly name: string; readonly changes: Changes }[] = [
  { name: "addresses as linked", changes: [] },
  { name: "addresses and page tables randomised and isolated", changes: [["- use: fdt\n", "- use: fdt\n        kaslr_seed: true\n"]] },
];

for (const { name, changes } of rows) {
  Deno.test({
    name: `Debian's kernel breaks before it makes: ${name}`,
    ignore: board.images === undefined,
    async fn() {
      using guest = await Session.start(changed(board.manifest, changes), {
        images: board.images,
        checksTables: true,
      });
      guest.until("shell ready");
      guest.until("# ");
      // Processes that begin, copy their parents' memory on write, map files and end; then big buffers that come and go.
      guest.command("i=0; while [ $i -lt 8 ]; do ls -l / | sort | md5sum > /dev/null & i=$((i+1)); done; wait");
      guest.command("dd if=/dev/zero of=/tmp.bin bs=1M count=8 2>/dev/null; cp /tmp.bin /tmp2.bin; cmp /tmp.bin /tmp2.bin; rm /tmp*.bin");
      guest.command("sort -S 4M /proc/kallsyms | tail -1 > /dev/null");
      guest.command("echo 3 > /proc/sys/vm/drop_caches; echo 1 > /proc/sys/vm/compact_memory; echo $?");
      for (const online of [0, 1, 0, 1]) guest.command(`echo ${online} > /sys/devices/system/cpu/cpu1/online; ls / > /dev/null`);
      guest.type("poweroff -f\n");
      assertEquals(guest.finish().kind, "power-off");
      assertEquals(guest.machine.stats.traced.get("break before make"), undefined);
      assert(!/Kernel panic|Oops/.test(guest.console));
    },
  });
}
