/** The tools that tests check against: GNU binutils for AArch64 and QEMU. Tests skip without them, and say how to get them. */

/** A program that a test needs. */
export interface Tool {
  readonly command: string;
  /** Debian's package. */
  readonly package: string;
}

export const assembler: Tool = { command: "aarch64-linux-gnu-as", package: "binutils-aarch64-linux-gnu" };
export const disassembler: Tool = { command: "aarch64-linux-gnu-objdump", package: "binutils-aarch64-linux-gnu" };
export const objcopy: Tool = { command: "aarch64-linux-gnu-objcopy", package: "binutils-aarch64-linux-gnu" };
export const linker: Tool = { command: "aarch64-linux-gnu-ld", package: "binutils-aarch64-linux-gnu" };
export const compiler: Tool = { command: "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu" };
/** For plugins of QEMU: of this host, with its C library's headers. */
export const hostCompiler: Tool = { command: "cc", package: "gcc libc6-dev" };
export const qemu: Tool = { command: "qemu-aarch64-static", package: "qemu-user-static" };
export const qemuSystem: Tool = { command: "qemu-system-aarch64", package: "qemu-system-arm" };
export const dtc: Tool = { command: "dtc", package: "device-tree-compiler" };
export const qemuImg: Tool = { command: "qemu-img", package: "qemu-utils" };
export const dpkg: Tool = { command: "dpkg-deb", package: "dpkg" };

/** Whether a tool can be started. */
export function installed(tool: Tool): boolean {
  try {
    return new Deno.Command(tool.command, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const told = new Set<string>();

/**
 * For `Deno.test`'s `ignore`: true when a tool is missing, after one line that
 * says how to get it. With CI=true a missing tool throws: there a skip is a failure.
 */
export function missing(...tools: Tool[]): boolean {
  const absent = tools.filter((tool) => !installed(tool));
  for (const { command, package: name } of absent) {
    const advice = `skipped: ${command} isn't installed (Debian: apt-get install ${name})`;
    if (Deno.env.get("CI") === "true") throw new Error(advice);
    if (!told.has(command)) console.log(advice);
    told.add(command);
  }
  return absent.length > 0;
}

/** Extensions that every declared instruction may need. */
const ARCH = "armv8.6-a+crypto+fp16+rcpc+dotprod+lse+rdma+crc+sha3+sm4+profile+ssbs+sb+predres+flagm+memtag+pauth";

/** What became of one source line. */
export type Assembled = { readonly word: number } | { readonly error: string };

/** Assembles lines of one instruction each. A line that `as` refuses gets its message. */
export function assemble(lines: readonly string[]): Assembled[] {
  const folder = Deno.makeTempDirSync({ prefix: "assemble-" });
  try {
    const errors = new Map<number, string>();
    for (;;) {
      // `as` writes no output while a line is wrong, so wrong lines become zeros in a second run.
      const source = lines.map((line, i) => errors.has(i) ? ".inst 0" : line.replaceAll("\n", " ")).join("\n") + "\n";
      Deno.writeTextFileSync(`${folder}/a.s`, source);
      const { success, stderr } = run(assembler, [`-march=${ARCH}`, "-o", `${folder}/a.o`, `${folder}/a.s`]);
      if (success) break;
      const before = errors.size;
      for (const [, line, message] of stderr.matchAll(/a\.s:(\d+): (?:Error|Fatal error): (.*)/g)) errors.set(Number(line) - 1, message);
      if (errors.size === before) throw new Error(stderr);
    }
    const copied = run(objcopy, ["-O", "binary", "-j", ".text", `${folder}/a.o`, `${folder}/a.bin`]);
    if (!copied.success) throw new Error(copied.stderr);
    const bytes = Deno.readFileSync(`${folder}/a.bin`);
    const view = new DataView(bytes.buffer);
    if (bytes.length !== lines.length * 4) throw new Error(`${lines.length} lines gave ${bytes.length / 4} words`);
    return lines.map((_, i) => errors.has(i) ? { error: errors.get(i)! } : { word: view.getUint32(i * 4, true) });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** What objdump makes of words, one text each, addresses counting from `address`. */
export function disassemble(words: ArrayLike<number>, address = 0, aliases = true): string[] {
  if (words.length === 0) return [];
  const file = Deno.makeTempFileSync({ prefix: "disassemble-" });
  try {
    Deno.writeFileSync(file, new Uint8Array(Uint32Array.from(words).buffer));
    const options = ["-D", "-z", "-b", "binary", "-m", "aarch64", `--adjust-vma=${address}`, ...(aliases ? [] : ["-M", "no-aliases"])];
    const { success, stdout, stderr } = run(disassembler, [...options, file]);
    if (!success) throw new Error(stderr);
    return [...stdout.matchAll(/^\s*[0-9a-f]+:\t[0-9a-f]{8} \t(.*)$/gm)].map(([, text]) => text.replace(/\s+/g, " ").trim());
  } finally {
    Deno.removeSync(file);
  }
}

function run(tool: Tool, args: string[]): { success: boolean; stdout: string; stderr: string } {
  const { success, stdout, stderr } = new Deno.Command(tool.command, { args, stdout: "piped", stderr: "piped" }).outputSync();
  const text = new TextDecoder();
  return { success, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}
