/** One program, one script, two servers: ours and QEMU's. After each instruction the registers are the same. */
import { assert, assertEquals } from "@std/assert";
import { assemble, assembler, missing, qemuSystem } from "../support/toolchain.ts";
import { BOARD, LOAD } from "../support/program.ts";
import { appears, debug, gdb, writeScript } from "./gdb.ts";

const STEPS = 260;
/** QEMU puts its device tree at the beginning of RAM. */
const START = 0x4020_0000;
/** From the program's beginning. */
const VECTORS = 0x800;

/** Arithmetic, flags, loads and stores of all sizes, branches, floating point, and exceptions to EL1 and back to EL0. */
const program = [
  "adr x28, .+0x800",
  "msr vbar_el1, x28",
  "mov x0, #0x300000",
  "msr cpacr_el1, x0",
  "isb",
  "adr x20, .+0xfec",
  "mov sp, x20",
  "mov x1, #3",
  "mov x2, #0x1234",
  "movk x2, #0xffff, lsl #48",
  "adds x3, x2, x2",
  "adcs x4, x2, xzr",
  "sbcs w5, w3, w4",
  "csinc x6, x4, x5, cs",
  "madd x7, x6, x2, x1",
  "umulh x8, x7, x2",
  "udiv x9, x8, x1",
  "ror x10, x9, #13",
  "stp x2, x3, [sp, #-32]!",
  "str w4, [sp, #16]",
  "strb w5, [sp, #21]",
  "ldrsh x11, [sp, #20]",
  "ldr x12, [sp, #8]",
  "ldp x13, x14, [sp], #32",
  "scvtf d0, x1",
  "fsqrt d1, d0",
  "fmul d2, d0, d1",
  "fcvtzs x15, d2",
  "dup v3.4s, w15",
  "add v4.4s, v3.4s, v3.4s",
  "addv s5, v4.4s",
  "umov w16, v5.s[0]",
  "eor x17, x16, x7",
  "svc #7",
  "subs x1, x1, #1",
  "b.ne .-100",
  "msr spsr_el1, xzr",
  "adr x18, .+16",
  "msr elr_el1, x18",
  "eret",
  "svc #9",
  "mov x19, x21",
  "b .-8",
];
const handler = ["mrs x21, esr_el1", "mrs x22, elr_el1", "mrs x23, spsr_el1", "cmp x21, x22", "eret"];

function image(): Uint8Array {
  const words = new Uint32Array(0x3000 / 4);
  const put = (at: number, lines: readonly string[]) =>
    assemble(lines).forEach((one, n) => {
      if ("error" in one) throw new Error(`${lines[n]}: ${one.error}`);
      words[at / 4 + n] = one.word;
    });
  put(0, program);
  for (const vector of [0x200, 0x400]) put(VECTORS + vector, handler);
  return new Uint8Array(words.buffer);
}

/** A line for each step. Of PSTATE what both know: flags, masks, level. An exception leaves the flags alone here; QEMU clears them. */
const script = [
  ...Array.from({ length: 31 }, (_, n) => `set variable $x${n} = 0`),
  `set variable $pc = ${START}`,
  // Flags are UNKNOWN at reset.
  "set variable $cpsr = 0x3c5",
  "set variable $steps = 0",
  `while $steps < ${STEPS}`,
  "stepi",
  `printf "state ${"%lx ".repeat(31)}\\n", ${Array.from({ length: 31 }, (_, n) => `$x${n}`).join(", ")}`,
  `printf "state pc %lx sp %lx pstate %x fpsr %x\\n", $pc, $sp, $cpsr & ($pc > ${START + VECTORS} ? 0x3cf : 0xf00003cf), $fpsr`,
  `printf "state d0 %lx d1 %lx d2 %lx v4 %lx %lx\\n", $v0.d.u[0], $v1.d.u[0], $v2.d.u[0], $v4.d.u[0], $v4.d.u[1]`,
  "set variable $steps = $steps + 1",
  "end",
];
const states = (lines: readonly string[]) => lines.filter((line) => line.startsWith("state"));

async function onQemu(program: Uint8Array): Promise<readonly string[]> {
  const folder = await Deno.makeTempDir({ prefix: "plugboard-gdb-" });
  await Deno.writeFile(`${folder}/program`, program);
  const device = `loader,file=${folder}/program,addr=${START},cpu-num=0,force-raw=on`;
  const args = ["-M", "virt,gic-version=3", "-cpu", "cortex-a57", "-m", "64", "-nographic", "-nodefaults", "-device", device, "-S"];
  args.push("-chardev", `socket,path=${folder}/gdb,server=on,wait=off,id=gdb`, "-gdb", "chardev:gdb");
  const qemu = new Deno.Command(qemuSystem.command, { args, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
  try {
    await appears(`${folder}/gdb`);
    const file = await writeScript(folder, `${folder}/gdb`, [...script, "kill"]);
    const { stdout } = await new Deno.Command("timeout", {
      args: ["100", gdb.command, "-batch", "-nx", "-x", file],
      stderr: "null",
    }).output();
    return states(new TextDecoder().decode(stdout).split("\n"));
  } finally {
    try {
      qemu.kill("SIGKILL");
    } catch {
      // GDB has ended it.
    }
    await qemu.stderr.cancel();
    await qemu.status;
    await Deno.remove(folder, { recursive: true });
  }
}

let reference: Promise<readonly string[]> | undefined;
const ignore = missing(gdb, qemuSystem, assembler);

for (const tier1 of ["off", "force"]) {
  Deno.test({
    name: `after each of ${STEPS} steps, GDB shows the same registers here (tier 1 ${tier1}) and on QEMU`,
    ignore,
    async fn() {
      const program = image();
      const { lines } = await debug(BOARD.replaceAll(LOAD.toString(16), START.toString(16)), script, {
        images: new Map([["program.bin", program]]),
        set: { "plugins.cpu_a64.tier1": tier1 },
        limitMs: 300_000,
      });
      const ours = states(lines), theirs = await (reference ??= onQemu(program));
      assertEquals(ours.length, 3 * STEPS);
      assert(ours.some((line) => / pstate [0-9a-f]*0 /.test(line)), "EL0 isn't reached");
      const first = ours.findIndex((line, n) => line !== theirs[n]);
      assert(
        first < 0,
        `step ${Math.floor(first / 3) + 1}\nours:   ${ours[first]}\ntheirs: ${theirs[first]}\nbefore: ${
          ours.slice(first - 6, first).join("\n        ")
        }`,
      );
      assertEquals(theirs.length, ours.length);
    },
  });
}
