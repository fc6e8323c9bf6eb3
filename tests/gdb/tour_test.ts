/** Our own guest under the real GDB: by its source, line by line, and on all its vCPUs. */
import { assert, assertEquals } from "@std/assert";
import { changed } from "../guests/debian_images.ts";
import { compiler, missing, objcopy } from "../support/toolchain.ts";
import { assertSeen, debug, gdb, undisturbed } from "./gdb.ts";

const root = new URL("../../", import.meta.url).pathname;

/** The tour with debug information, and its board with that very binary. */
async function compileTour(
  folder: string,
): Promise<{ readonly symbols: string; readonly board: string; readonly images: Map<string, Uint8Array> }> {
  const symbols = `${folder}/tour.elf`;
  const kit = `${root}examples/guests/kit`;
  const flags = ["-Os", "-mstrict-align", "-std=gnu11", "-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-fno-stack-protector"];
  flags.push("-fno-asynchronous-unwind-tables", "-fno-jump-tables", "-fno-tree-switch-conversion", "-mgeneral-regs-only");
  flags.push("-march=armv8-a", "-mno-outline-atomics", `-I${kit}`, "-g", "-T", `${kit}/kit.ld`, "-Wl,--build-id=none", "-o", symbols);
  const sources = [`${root}examples/guests/tour/tour.c`];
  for (const name of ["entry.S", "cpu.c", "device_tree.c", "gic.c", "print.c"]) sources.push(`${kit}/${name}`);
  await run(compiler.command, [...flags, ...sources]);
  await run(objcopy.command, ["-O", "binary", symbols, `${folder}/tour.bin`]);
  const manifest = await Deno.readTextFile(`${root}boards/tour.yaml`);
  return {
    symbols,
    board: changed(manifest, [["../examples/guests/tour/tour.bin", "tour.bin"]]),
    images: new Map([["tour.bin", await Deno.readFile(`${folder}/tour.bin`)]]),
  };
}

async function run(command: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stderr: "piped" }).output();
  assert(success, new TextDecoder().decode(stderr));
}

const ignore = missing(gdb, compiler, objcopy);

Deno.test({
  name: "GDB steps through the tour's source, and the tour is the same with it and without",
  ignore,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const { symbols, board, images } = await compileTour(folder);
      const { lines, ended, instructions, nowNs, console } = await debug(board, [
        "info threads",
        "break main",
        "continue",
        "next",
        "next",
        "print machine.cpus",
        "delete",
        // From another vCPU's interrupt handler.
        "watch cpus[2].ticks",
        "continue",
        "backtrace 2",
        "delete",
        "hbreak tick if me == &cpus[3]",
        "continue",
        "print *me",
        "thread 1",
        "delete",
        "tbreak print_decimal if value == 20",
        "continue",
        "finish",
        "stepi",
        "x/i $pc",
        "continue",
      ], { prelude: [`symbol-file -o 0x40000000 ${symbols}`], finishes: true, images });
      assertSeen(lines, [
        /^\* 1 +Thread 1\.1 "tour" .* _start \(\) at .*entry\.S/,
        /^ +4 +Thread 1\.4 "tour" \(powered down\)/,
        /^Thread 1 "tour" hit Breakpoint 1, main \(device_tree=1107296256\) at .*tour\.c:\d+/,
        /read_device_tree\(device_tree\)/,
        /\tintroduce\(device_tree\);/,
        /\tgic_init_distributor\(\);/,
        /^\$1 = 4$/,
        /^Thread 3 "tour" hit Hardware watchpoint 2: cpus\[2\]\.ticks/,
        /^Old value = 0/,
        /^New value = 1/,
        /in tick \(/,
        /^#1 .*interrupt \(\) at/,
        /^Thread 4 "tour" hit Breakpoint 3, tick \(me=0x[0-9a-f]+ <cpus\+192>\)/,
        /mpidr = 3, .* online = 1, ticks = 0/,
        /^\[Switching to thread 1/,
        /^Thread 1 "tour" hit Temporary breakpoint 4, print_decimal \(value=(value@entry=)?20\)/,
        /^main \(device_tree=/,
        /^=> 0x/,
        /exited normally/,
      ]);
      const plain = await undisturbed(board, { images });
      assertEquals({ ended: ended?.kind, instructions, nowNs, console }, { ...plain, ended: "power-off" });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
