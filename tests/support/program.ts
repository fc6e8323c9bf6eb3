/** Runs small programs, given as instruction words, through the command line: a board, a raw image, a child process. */

/** What a run left. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where raw programs are loaded and entered. */
export const LOAD = 0x4008_0000;

const root = new URL("../../", import.meta.url).pathname;

/** A board with one vCPU whose program is `program.bin` beside it. */
export const BOARD = `board: program
doc: A program of a few words
pcpus: 1
memory:
  - { at: 0x4000_0000, size: 80MiB }
plugins:
  - use: cpu_a64
  - use: vmsa
  - use: scheduler_null
  - use: gicv3
  - use: generic_timer
  - use: psci
domains:
  - name: guest
    vcpus: 1
    memory: [{ at: 0x4000_0000, size: 64MiB }]
    plugins:
      - use: pl011
      - use: fdt
      - use: linux_boot
        kernel: program.bin
        format: raw
        load: 0x${LOAD.toString(16)}
        entry: 0x${LOAD.toString(16)}
`;

/** Runs a program. `edit` changes the manifest's text. Fails the caller's test by an exit code of -1 when it takes a minute. */
export async function runProgram(
  program: readonly number[] | Uint8Array,
  args: readonly string[] = [],
  edit: (board: string) => string = (board) => board,
): Promise<Outcome> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeFile(
      `${directory}/program.bin`,
      program instanceof Uint8Array ? program : new Uint8Array(new Uint32Array(program).buffer),
    );
    await Deno.writeTextFile(`${directory}/board.yaml`, edit(BOARD));
    const limit = args.includes("--wall-timeout") ? [] : ["--wall-timeout", "180s"];
    return await runCli([`${directory}/board.yaml`, ...limit, ...args]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Runs the command line with nothing on standard input, and with nothing that other runs compiled. `env` is added to this process's environment. */
export async function runCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `${root}mod.ts`, ...args],
    env: { PLUGBOARD_TRANSLATIONS: "off", ...env },
    stdin: "null",
  });
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
