/** Commands of busybox under Debian's kernel, typed at its shell: on ours and on QEMU, each boot serves all of them. */
import { join } from "@std/path";
import { type CallProgram, faults, getpid, pingPong, spawn, writeProgram } from "./call_programs.ts";
import { COLD } from "./child.ts";
import { type BoardImages, ROOT } from "./images.ts";
import { cpuSeconds } from "./process.ts";
import type { Duration } from "./process.ts";
import { qemuCommand } from "./qemu.ts";
import { medianDuration } from "./statistics.ts";

const MEMORY_MIB = 512;
/** A command that takes longer hangs. */
const GIVE_UP_MS = 300_000;
const PROMPT = "# ";
/** Characters of a command typed at once. */
const TYPED = 50;

/** What is typed. */
export interface UserCommand {
  readonly name: string;
  readonly doc: string;
  readonly command: string;
  /** Before it, untimed. */
  readonly before?: string;
}

/** Shell, 200 times. */
const often = (body: string) => `i=0; while [ $i -lt 200 ]; do ${body}; i=$((i+1)); done`;

const calling = (name: string, program: CallProgram): UserCommand => {
  return { name, doc: program.doc, command: program.path, before: writeProgram(program) };
};

/** All of them. */
export const userCommands: readonly UserCommand[] = [
  { name: "sha256sum", doc: "of 16 MiB", command: "dd if=/dev/zero bs=1M count=16 2>/dev/null | sha256sum" },
  { name: "gzip", doc: "of busybox, 4 times", command: "b=/bin/busybox; cat $b $b $b $b | gzip | wc -c" },
  calling("getpid", getpid),
  { name: "syscalls", doc: "100,000 reads and writes of a byte", command: "dd if=/dev/zero of=/dev/null bs=1 count=100000 2>/dev/null" },
  {
    name: "pipe",
    doc: "20,000 times 64 bytes",
    command: "dd if=/dev/zero bs=64 count=20000 2>/dev/null | dd bs=64 of=/dev/null 2>/dev/null",
  },
  { name: "fork+exec", doc: "200 processes", command: often("/bin/busybox true") },
  {
    name: "page faults",
    doc: "16 MiB touched, 4 times",
    command: "for n in 1 2 3 4; do dd if=/dev/zero of=/dev/null bs=16M count=1 2>/dev/null; done",
  },
  { name: "sort", doc: "20,000 lines", command: "seq 1 20000 | sort -r | md5sum" },
  { name: "awk", doc: "300,000 times s += i * i", command: "awk 'BEGIN { for (i = 0; i < 300000; i++) s += i * i; print s }'" },
  calling("ping-pong", pingPong),
  calling("faults", faults),
  calling("spawn", spawn),
];

/**
 * What depends on changes of address space, on a kernel that isolates its page tables: each entry to it and each return write TTBR1_EL1 and
 * change the ASID. Linux does so when it has a kaslr-seed, which QEMU gives it unless told otherwise.
 */
export const isolatedCommands: readonly UserCommand[] = userCommands
  .filter(({ name }) => ["getpid", "ping-pong", "faults", "spawn", "syscalls", "pipe", "fork+exec", "page faults"].includes(name))
  .map((command) => ({ ...command, name: `${command.name}, i.` }));

/** A command on both; times are medians. */
export interface UserResult {
  readonly name: string;
  readonly doc: string;
  readonly ours: Duration;
  readonly qemu?: Duration;
}

/** Commands after a boot of ours. `isolated`: the kernel isolates its page tables. */
export function userlandOnOurs(
  { kernel, initrd }: BoardImages,
  tier1: string,
  commands: readonly UserCommand[],
  isolated: boolean,
): Promise<Duration[]> {
  const board = join(ROOT, "boards/debian.yaml");
  const options = [
    "--smp",
    "1",
    "-m",
    `${MEMORY_MIB}MiB`,
    "--kernel",
    kernel,
    "--initrd",
    initrd,
    "--append",
    "console=ttyAMA0",
    "--quiet",
    // As where somebody types: idle time passes as the host's does, and isn't run through.
    "--realtime",
    ...["--set", `plugins.cpu_a64.tier1=${tier1}`, "--set", `domains.linux.plugins.fdt.kaslr_seed=${isolated}`],
  ];
  return runCommands([Deno.execPath(), "run", "-A", join(ROOT, "mod.ts"), board, ...options], commands);
}

/** The same of QEMU's. */
export function userlandOnQemu(images: BoardImages, commands: readonly UserCommand[], hasSeed: boolean): Promise<Duration[]> {
  return runCommands(qemuCommand({ ...images, append: "console=ttyAMA0", memoryMiB: MEMORY_MIB, hasSeed }), commands);
}

/** From runs to results. */
export function userResults(
  commands: readonly UserCommand[],
  ours: readonly (readonly Duration[])[],
  qemu: readonly (readonly Duration[])[],
): UserResult[] {
  return commands.map(({ name, doc }, i) => ({
    name,
    doc,
    ours: medianDuration(ours.map((run) => run[i]))!,
    qemu: medianDuration(qemu.map((run) => run[i])),
  }));
}

async function runCommands(program: readonly string[], commands: readonly UserCommand[]): Promise<Duration[]> {
  const [path, ...args] = program;
  const child = new Deno.Command(path, { args, env: COLD, stdin: "piped", stdout: "piped", stderr: "null" }).spawn();
  const guard = setTimeout(() => child.kill("SIGKILL"), GIVE_UP_MS * commands.length);
  const input = child.stdin.getWriter();
  const output = child.stdout.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  let text = "";
  const until = async (wanted: string) => {
    for (let at = text.indexOf(wanted); at < 0; at = text.indexOf(wanted)) {
      const { value, done } = await output.next();
      if (done) throw new Error(`${program.join(" ")}\nended before it printed ${JSON.stringify(wanted)}: ${text.slice(-500)}`);
      text += value;
    }
    text = text.slice(text.indexOf(wanted) + wanted.length);
  };
  const type = (line: string) => input.write(new TextEncoder().encode(`${line}\n`));
  const now = () => ({ wall: performance.now() / 1000, cpu: cpuSeconds(child.pid) });
  try {
    await until("shell ready");
    await until(PROMPT);
    const times: Duration[] = [];
    // Lines stay shorter than the terminal.
    const put = async (command: string) => {
      for (let i = 0; i < command.length; i += TYPED) {
        await type(`c="${i === 0 ? "" : "$c"}"${quote(command.slice(i, i + TYPED))}`);
        await until(PROMPT);
      }
    };
    for (const { command, before: first } of commands) {
      if (first) {
        await put(first);
        await type(`eval "$c"`);
        await until(PROMPT);
      }
      await put(command);
      // The shell's echo has no such text: it is put together when it runs.
      const before = now();
      await type(`eval "$c"; echo do"ne"`);
      await until("done");
      const after = now();
      await until(PROMPT);
      times.push({ wall: after.wall - before.wall, cpu: after.cpu === undefined ? undefined : after.cpu - before.cpu! });
    }
    return times;
  } finally {
    clearTimeout(guard);
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await input.close().catch(() => {});
    await child.status;
  }
}

/** A word of the shell. */
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
