/** The tables against an independent source: the encodings that the GNU assembler gives the names. */
import { assertEquals } from "@std/assert";
import { assembler, missing, objcopy } from "../../../tests/support/toolchain.ts";
import { packedOfInstruction, registers, systemInstructions } from "./mod.ts";

async function assemble(lines: readonly string[]): Promise<Uint32Array> {
  const folder = await Deno.makeTempDir();
  try {
    const run = async (tool: string, args: string[]) => {
      const { success, stderr } = await new Deno.Command(tool, { args, cwd: folder, stdout: "null" }).output();
      if (!success) throw new Error(new TextDecoder().decode(stderr));
    };
    await Deno.writeTextFile(`${folder}/names.s`, `.arch armv8.5-a+sve+sme\n${lines.join("\n")}\n`);
    await run(assembler.command, ["names.s", "-o", "names.o"]);
    await run(objcopy.command, ["-O", "binary", "names.o", "names.bin"]);
    return new Uint32Array((await Deno.readFile(`${folder}/names.bin`)).buffer);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** ID registers that read as zero, whose names are newer than Debian 12's assembler: placed by the manual alone. */
const NEWER_THAN_ASSEMBLER: ReadonlySet<string> = new Set([
  "ID_AA64PFR2_EL1",
  "ID_AA64FPFR0_EL1",
  "ID_AA64DFR2_EL1",
  "ID_AA64ISAR3_EL1",
  "ID_AA64MMFR3_EL1",
  "ID_AA64MMFR4_EL1",
]);

Deno.test({ name: "encodings are the assembler's", ignore: missing(assembler, objcopy) }, async () => {
  const named = registers.filter(({ name }) => !NEWER_THAN_ASSEMBLER.has(name));
  const lines = [
    // Names of the R profile need its own architecture.
    ...named.map(({ name, access, feature }) => {
      const text = access.read !== undefined ? `mrs x0, ${name}` : `msr ${name}, x0`;
      return feature === "PMSA" ? `.arch armv8-r; ${text}; .arch armv8.5-a+sve+sme` : text;
    }),
    ...registers.filter(({ writeName }) => writeName).map(({ writeName }) => `msr ${writeName}, x0`),
    ...systemInstructions.map(({ name, hasArgument }) => hasArgument ? `${name}, x0` : name),
  ];
  const expected = [...named, ...registers.filter(({ writeName }) => writeName), ...systemInstructions].map(({ packed }) => packed);
  const words = await assemble(lines);
  assertEquals(words.length, lines.length);
  lines.forEach((line, index) => assertEquals(packedOfInstruction(words[index]).toString(16), expected[index].toString(16), line));
});
