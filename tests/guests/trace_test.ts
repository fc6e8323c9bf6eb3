/** Traces of real guests: ours beside QEMU's, instruction by instruction; and of Debian's kernel, with the names of its functions. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { plugboard } from "../../cli/in_process.ts";
import { hostCompiler, missing, qemuSystem } from "../support/toolchain.ts";
import { debianBoard } from "./debian_images.ts";

/** Instructions that are compared: the tour clears its memory and sets its stack up, and then reads its device tree, in which machines differ. */
const COMPARED = 16_900;
/** QEMU puts an Image 2 MiB into the RAM. */
const OURS = 0x4000_0000, QEMUS = 0x4020_0000;
/** Of the guest's image and memory, from its first instruction on. */
const GUEST_SIZE = 0x20_0000;

/** An instruction as both print it: where it is, and what it loads and stores, both from the guest's first instruction on. */
function instruction(pc: number, accesses: readonly (readonly [kind: string, size: string, va: string])[], entry: number): string {
  const place = (va: number) => va >= entry && va < entry + GUEST_SIZE ? `+0x${(va - entry).toString(16)}` : "elsewhere";
  return [place(pc), ...accesses.map(([kind, size, va]) => `${kind}${size} ${place(parseInt(va, 16))}`)].join(" ");
}

/** What QEMU executes from the guest's first instruction on. */
async function qemuTrace(kernel: string, count: number, folder: string): Promise<string[]> {
  const plugin = new URL("access_plugin.c", import.meta.url).pathname;
  const { success } = await new Deno.Command(hostCompiler.command, { args: ["-shared", "-fPIC", "-o", `${folder}/plugin.so`, plugin] })
    .output();
  assert(success);
  const child = new Deno.Command("qemu-system-aarch64", {
    args: [
      ...["-M", "virt,gic-version=3", "-cpu", "cortex-a57", "-m", "64", "-nic", "none", "-display", "none", "-serial", "null"],
      ...["-monitor", "none", "-no-reboot", "-kernel", kernel, "-singlestep", "-plugin", `${folder}/plugin.so,out=${folder}/log`],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    for (let tries = 0; tries < 600; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const text = await Deno.readTextFile(`${folder}/log`).catch(() => "");
      const all = text.split("\nI ").map((lines) => lines.split("\n"));
      const first = all.findIndex(([pc]) => parseInt(pc, 16) === QEMUS);
      // The last one may not be whole yet.
      if (first < 0 || all.length <= first + count) continue;
      return all.slice(first, first + count).map(([pc, ...accesses]) =>
        instruction(parseInt(pc, 16), accesses.map((access) => access.split(" ") as [string, string, string]), QEMUS)
      );
    }
    throw new Error("QEMU's trace didn't get there");
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

Deno.test({
  name: "traces: our Tarmac has the PCs, loads and stores that QEMU has",
  ignore: missing(qemuSystem, hostCompiler),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const options = ["--smp", "1", "--tarmac", `${folder}/tarmac`, "--trace-window", `..${COMPARED}ns`, "--console", "console=/dev/null"];
      const { code, stderr } = await plugboard("boards/tour.yaml", "-q", ...options);
      assertEquals(code, 0, stderr);
      const ours = (await Deno.readTextFile(`${folder}/tarmac`)).split(/ IT \(\d+\) /).slice(1, COMPARED + 1).map((text) => {
        const accesses = [...text.matchAll(/ M([RW])(\d+)X? ([0-9a-f]+)/g)].map(([, kind, size, va]) => [kind, size, va] as const);
        return instruction(parseInt(text, 16), accesses, OURS);
      });
      assertEquals(ours.length, COMPARED);
      const theirs = await qemuTrace("examples/guests/tour/tour.bin", COMPARED, folder);
      const differs = ours.findIndex((one, n) => one !== theirs[n]);
      assertEquals(differs, -1, `instruction ${differs}: ours ${ours[differs]}, QEMU's ${theirs[differs]}`);
      for (const kind of ["W8", "R8", "R4", "R1"]) assert(ours.some((one) => one.includes(kind)), kind);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

const debian = await debianBoard("debian");

Deno.test({
  name: "traces: Debian's boot as a timeline, a flame graph and a profile with names, while test types at its shell",
  ignore: debian.images === undefined,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const traces = ["--trace", `${folder}/t.json`, "--trace-window", "100ms..", "--flame", `${folder}/t.folded`, "--profile"];
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
      // Where the guest's time went: by tier, by cause, by function.
      const [, share] = stderr.match(/^generated code: .* s; tier 1 executed (\d+\.\d) % of [\d,]+ instructions$/m)!;
      assert(Number(share) > 50 && Number(share) < 100, share);
      assertMatch(stderr, /^ {2}tier 0: +\d+\.\d{3} s {2}decoding: [\d,]{7,} instructions$/m);
      assertMatch(stderr, /^ +\d+\.\d{3} s {2}making modules of them: \d+, of [\d,]{7,} bytes$/m);
      assertMatch(stderr, /^ +\d+ +\d+\.\d{3} s {2}mrs CNTVCT_EL0$/m);
      assertMatch(stderr, /^ +\d+\.\d % {2}0xffff8\w+ \w+\+0x\w+ {2}ldr \w+, \[.*$/m);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
