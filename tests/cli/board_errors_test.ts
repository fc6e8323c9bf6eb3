/** Mistakes in boards and images, through the command line: each has its own error, and nothing starts. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runProgram } from "../support/program.ts";

/** A header of an arm64 Image: 64 bytes, "ARM\x64" at 0x38, and the size that it wants to keep free. */
function image(fileBytes: number, imageSize: number): Uint8Array {
  const bytes = new Uint8Array(fileBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x1400_0010, true);
  view.setBigUint64(0x10, BigInt(imageSize), true);
  view.setBigUint64(0x18, 0xan, true);
  if (fileBytes >= 0x3c) view.setUint32(0x38, 0x644d_5241, true);
  return bytes;
}

const auto = (board: string) => board.replace(/ {8}format: raw\n {8}load: .*\n {8}entry: .*\n/, "");
const bzImage = new Uint8Array(0x400);
bzImage.set(new TextEncoder().encode("HdrS"), 0x202);
new DataView(bzImage.buffer).setUint16(0x1fe, 0xaa55, true);

interface Row {
  readonly name: string;
  readonly program?: Uint8Array;
  readonly edit?: (board: string) => string;
  readonly args?: readonly string[];
  readonly says: readonly string[];
}

const rows: Row[] = [
  { name: "an empty kernel", program: new Uint8Array(0), edit: auto, says: ["kernel"] },
  { name: "a kernel cut short in its header", program: image(0x40, 0x1000).subarray(0, 0x30), edit: auto, says: ["kernel"] },
  { name: "a kernel for another machine", program: bzImage, edit: auto, says: ["kernel", "x86"] },
  { name: "a kernel that isn't one", program: new TextEncoder().encode("hello world\n".repeat(20)), edit: auto, says: ["kernel"] },
  { name: "a kernel too large for the RAM", program: image(0x1000, 2 ** 30), edit: auto, says: ["kernel", "64 MiB"] },
  { name: "a kernel that isn't there", edit: (board) => board.replace("program.bin", "nothing.bin"), says: ["nothing.bin", ":21:"] },
  {
    name: "a package that isn't there",
    edit: (board) => board.replace("program.bin", "deb:no-such-package-anywhere#/boot/vmlinuz"),
    says: ["no-such-package-anywhere"],
  },
  {
    name: "an initrd on top of the kernel",
    edit: (board) =>
      board.replace("kernel: program.bin", "kernel: program.bin\n        initrd: program.bin\n        initrd_at: 0x4008_0000"),
    says: ["initrd", "overlap"],
  },
  { name: "an unknown plugin", edit: (board) => board.replace("use: pl011", "use: pl01"), says: ["pl01", "pl011", ":18:"] },
  {
    name: "two plugins that provide the same",
    edit: (board) => board.replace("  - use: vmsa\n", "  - use: vmsa\n  - use: scheduler_fair\n"),
    says: ["SchedulerPolicy"],
  },
  { name: "a need that nobody provides", edit: (board) => board.replace("  - use: gicv3\n", ""), says: ["Interrupts"] },
  {
    name: "an option of the wrong kind",
    edit: (board) => board.replace("use: psci", "use: psci\n    conduit: pigeon"),
    says: ["pigeon", "hvc"],
  },
];

for (const { name, program, edit, args, says } of rows) {
  Deno.test(`error: ${name}`, async () => {
    const outcome = await runProgram(program ?? [0x1400_0000], args, edit);
    assertEquals(outcome.code, 2, outcome.stderr);
    for (const text of says) assertStringIncludes(outcome.stderr, text);
    assertStringIncludes(outcome.stderr, "nothing was started");
    assert(!outcome.stderr.includes("at file://"), outcome.stderr);
  });
}

Deno.test("error: an initrd too large for the RAM", async () => {
  const file = await Deno.makeTempFile();
  await Deno.truncate(file, 70 * 2 ** 20);
  const { code, stderr } = await runProgram([0x1400_0000], ["--initrd", file]);
  await Deno.remove(file);
  assertEquals(code, 2, stderr);
  assertStringIncludes(stderr, "initrd");
  assertStringIncludes(stderr, "70.0 MiB at");
});

Deno.test("overrides reach the guest: vCPUs, memory, kernel, command line", async () => {
  const check = async (args: readonly string[]) => (await runProgram([0xd2b0_8000, 0xf280_0100, 0xd400_0002], args)).stderr;
  assertStringIncludes(await check(["--smp", "3"]), "3 vCPUs");
  assertStringIncludes(await check(["-m", "128MiB"]), "128 MiB");
  assertStringIncludes(await check(["--set", "domains.guest.vcpus=2"]), "2 vCPUs");
  assertStringIncludes(await check(["--kernel", "/no/such/kernel"]), "/no/such/kernel");
});
