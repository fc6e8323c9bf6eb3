/** RAM whose place in the host's memory is above 2 GiB: addresses that are negative as 32-bit numbers. */
import { assertEquals } from "@std/assert";
import { assembler, missing, objcopy } from "../support/toolchain.ts";
import { runProgram } from "../support/program.ts";

/** Stores, loads, pairs, vectors, exclusives and code at the end of 3 GiB of RAM; says P or F, and powers off. */
const SOURCE = `
  movz x20, #0x900, lsl #16
  mov w21, #'F'
  mov x0, #0x300000
  msr cpacr_el1, x0
  isb
  movz x1, #0xffff, lsl #16
  mov x2, #0x1234
  str x2, [x1]
  ldr x3, [x1]
  cmp x2, x3
  b.ne done
  add x10, x1, #0xff8
  stp x2, x3, [x10]             // crosses into the next page
  ldp x4, x5, [x10]
  cmp x4, x5
  b.ne done
  dup v0.2d, x2
  str q0, [x1, #32]
  ldr x6, [x1, #40]
  cmp x6, x2
  b.ne done
1: ldxr x7, [x1]
  add x7, x7, #1
  stxr w8, x7, [x1]
  cbnz w8, 1b
  ldr x7, [x1]
  sub x7, x7, #1
  cmp x7, x2
  b.ne done
  movz w9, #0x03c0              // ret
  movk w9, #0xd65f, lsl #16
  str w9, [x1]
  ic ivau, x1
  dsb sy
  isb
  blr x1
  mov w21, #'P'
done: str w21, [x20]
  movz x0, #0x8400, lsl #16
  movk x0, #8
  hvc #0
`;

async function assembled(): Promise<Uint8Array> {
  const directory = await Deno.makeTempDir();
  const run = async (command: string, args: string[]) => {
    const { code, stderr } = await new Deno.Command(command, { args, cwd: directory }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  };
  await Deno.writeTextFile(`${directory}/program.S`, SOURCE);
  await run(assembler.command, ["-o", "program.o", "program.S"]);
  await run(objcopy.command, ["-O", "binary", "program.o", "program.bin"]);
  const program = await Deno.readFile(`${directory}/program.bin`);
  await Deno.remove(directory, { recursive: true });
  return program;
}

Deno.test({
  name: "3 GiB of RAM, used at its end",
  ignore: missing(assembler, objcopy),
  async fn() {
    const edit = (board: string) => board.replace("size: 80MiB", "size: 3100MiB").replace("size: 64MiB", "size: 3GiB");
    const program = await assembled();
    for (const tier1 of ["off", "force"]) {
      const { code, stdout, stderr } = await runProgram(
        program,
        [],
        (board) => edit(board).replace("use: cpu_a64", `use: cpu_a64\n    tier1: ${tier1}`),
      );
      assertEquals([code, stdout], [0, "P"], stderr);
    }
  },
});
