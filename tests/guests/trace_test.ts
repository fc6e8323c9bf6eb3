/** Traces of real guests: ours beside QEMU's, instruction by instruction; and of Debian's kernel, with the names of its functions. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { plugboard } from "../../cli/in_process.ts";
import { missing, qemuSystem } from "../support/toolchain.ts";
import { debianBoard } from "./debian_images.ts";

/** Instructions that are compared: the tour clears its memory, and then reads its device tree, in which machines differ. */
const COMPARED = 16_000;

/** PCs of CPU 0 on QEMU from `entry` on, relative to it. */
async function qemuTrace(kernel: string, entry: number, count: number, log: string): Promise<number[]> {
  const child = new Deno.Command("qemu-system-aarch64", {
    args: [
      ...["-M", "virt,gic-version=3", "-cpu", "cortex-a57", "-m", "64", "-nic", "none", "-display", "none", "-serial", "null"],
      ...["-monitor", "none", "-no-reboot", "-kernel", kernel, "-singlestep", "-d", "exec,nochain", "-D", log],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    for (let tries = 0; tries < 600; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const text = await Deno.readTextFile(log).catch(() => "");
      const pcs = [...text.matchAll(/^Trace 0: \S+ \[[0-9a-f]+\/([0-9a-f]+)\//gm)].map(([, pc]) => parseInt(pc, 16));
      const first = pcs.indexOf(entry);
      if (first >= 0 && pcs.length >= first + count) return pcs.slice(first, first + count).map((pc) => pc - entry);
    }
    throw new Error("QEMU's trace didn't get there");
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

Deno.test({
  name: "traces: our Tarmac has the PCs that QEMU has",
  ignore: missing(qemuSystem),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const options = ["--smp", "1", "--tarmac", `${folder}/tarmac`, "--trace-window", `..${COMPARED}ns`, "--console", "console=/dev/null"];
      const { code, stderr } = await plugboard("boards/tour.yaml", "-q", ...options);
      assertEquals(code, 0, stderr);
      const lines = (await Deno.readTextFile(`${folder}/tarmac`)).matchAll(/^\d+ clk cpu0 IT \(\d+\) ([0-9a-f]+)/gm);
      const ours = [...lines].map(([, pc]) => parseInt(pc, 16) - 0x4000_0000).slice(0, COMPARED);
      assertEquals(ours.length, COMPARED);
      // QEMU puts an Image 2 MiB into the RAM.
      const theirs = await qemuTrace("examples/guests/tour/tour.bin", 0x4020_0000, COMPARED, `${folder}/log`);
      const differs = ours.findIndex((pc, n) => pc !== theirs[n]);
      assertEquals(
        differs,
        -1,
        `instruction ${differs}: ours at +0x${ours[differs]?.toString(16)}, QEMU's at +0x${theirs[differs]?.toString(16)}`,
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

const debian = await debianBoard("debian");

Deno.test({
  name: "traces: Debian's boot as a timeline and as a flame graph with names, while test types at its shell",
  ignore: debian.images === undefined,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const traces = ["--trace", `${folder}/t.json`, "--trace-window", "100ms..", "--flame", `${folder}/t.folded`];
      const script = ["--expect", "/^# $/", "--send", "uname -s; echo $((6 * 7))\\n", "--expect", "/^42$/"];
      const { code, stderr } = await plugboard("boards/debian.yaml", "-q", "--console", `console=${folder}/console`, ...script, ...traces);
      assertEquals(code, 0, stderr);
      assertStringIncludes(await Deno.readTextFile(`${folder}/console`), "\nLinux\r\n42");
      const { traceEvents } = JSON.parse(await Deno.readTextFile(`${folder}/t.json`));
      const names = new Set(traceEvents.map(({ name }: { name: string }) => name));
      for (const name of ["run", "WFI", "linux/pl011 (registers) write", "write ICC_SGI1R_EL1", "INTID 27"]) assert(names.has(name), name);
      const folded = await Deno.readTextFile(`${folder}/t.folded`);
      assertMatch(folded, /^linux;.*ret_from_fork;.*kernel_init.*;do_one_initcall;\S+ \d+$/m);
      const samples = folded.trimEnd().split("\n").map((line) => [line, Number(line.match(/\d+$/)![0])] as const);
      const total = samples.reduce((sum, [, count]) => sum + count, 0);
      const unnamed = samples.filter(([line]) => /;0x[0-9a-f]+ \d+$/.test(line)).reduce((sum, [, count]) => sum + count, 0);
      assert(unnamed < total / 50, `${unnamed} of ${total} samples have no name`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
