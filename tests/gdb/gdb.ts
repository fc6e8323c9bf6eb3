/** A board in this process, and the real GDB that debugs it by a script. */
import { assert } from "@std/assert";
import { GdbServer } from "../../cli/gdb/server.ts";
import { boot } from "../../mod.ts";
import type { BootOptions, Machine, StopReason } from "../../mod.ts";
import type { Tool } from "../support/toolchain.ts";

export const gdb: Tool = { command: "gdb-multiarch", package: "gdb-multiarch" };

/** What came of a session. */
export interface Debugged {
  /** What GDB printed, a line each, without those that it starts with. */
  readonly lines: readonly string[];
  readonly console: string;
  /** How the machine ended; absent when it still ran as GDB left. */
  readonly ended: StopReason | undefined;
  readonly instructions: number;
  readonly nowNs: number;
}

/** How a session begins. */
export interface DebugOptions extends Omit<BootOptions, "onSerial"> {
  /** The guest doesn't run before GDB lets it. True when absent. */
  readonly waits?: boolean;
  /** What GDB does before it connects: take symbols from a file. */
  readonly prelude?: readonly string[];
  /** When GDB is gone, the machine runs to its end. */
  readonly finishes?: boolean;
  /** How long GDB may take, in milliseconds of the host's clock. */
  readonly limitMs?: number;
  /** What happens before GDB is started. */
  readonly before?: (machine: Machine) => void;
  /** Told of each piece of the console. */
  readonly onConsole?: (text: string, machine: Machine) => void;
}

/** Writes a script's lines to a file behind those that connect to a server; it prints `begin` in between. */
export async function writeScript(
  folder: string,
  place: string,
  script: readonly string[],
  prelude: readonly string[] = [],
): Promise<string> {
  const begin = ["set pagination off", "set confirm off", "set width 0", "set architecture aarch64", ...prelude];
  const lines = [...begin, `target extended-remote ${place}`, "echo begin\\n", ...script];
  await Deno.writeTextFile(`${folder}/script`, lines.join("\n") + "\n");
  return `${folder}/script`;
}

/** Waits until there is a file: a server's socket. */
export async function appears(path: string): Promise<void> {
  for (let wait = 0; wait < 2400 && !await Deno.stat(path).then(() => true, () => false); wait++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Boots a board, and has GDB execute a script's lines against it. Fails when GDB does. */
export async function debug(board: string, script: readonly string[], options: DebugOptions = {}): Promise<Debugged> {
  const folder = await Deno.makeTempDir({ prefix: "plugboard-gdb-" });
  let console = "";
  const decoder = new TextDecoder();
  let machine = await boot(board, {
    ...options,
    onSerial(_, bytes) {
      const text = decoder.decode(bytes, { stream: true });
      console += text;
      options.onConsole?.(text, machine);
    },
  });
  const server = new GdbServer({ path: `${folder}/gdb` });
  try {
    options.before?.(machine);
    const file = await writeScript(folder, server.place, script, options.prelude);
    // Going back in time replaces what is behind it.
    machine = server.drive(machine, options.waits ?? true);
    const driving = drive(server, machine);
    const args = ["-batch", "-nx", "-x", file];
    const child = new Deno.Command(gdb.command, { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), options.limitMs ?? 180_000);
    const { stdout, stderr } = await child.output();
    clearTimeout(timer);
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert(output.includes("begin\n"), output);
    driving.stop = !options.finishes;
    const ended = await driving.ended;
    const [, text] = output.split("begin\n");
    return { lines: text.trim().split("\n"), console, ended, instructions: machine.stats.instructions, nowNs: machine.nowNs };
  } finally {
    await server.close();
    machine.dispose();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Fails unless there is a line for each pattern, in this order. */
export function assertSeen(lines: readonly string[], patterns: readonly RegExp[]): void {
  let from = 0;
  for (const pattern of patterns) {
    const found = lines.findIndex((line, n) => n >= from && pattern.test(line));
    assert(found >= 0, `no ${pattern} after line ${from} of\n${lines.join("\n")}`);
    from = found + 1;
  }
}

/** The same board, with nobody who looks. */
export async function undisturbed(board: string, options: BootOptions = {}): Promise<Pick<Debugged, "console" | "instructions" | "nowNs">> {
  let console = "";
  const decoder = new TextDecoder();
  const machine = await boot(board, { ...options, onSerial: (_, bytes) => console += decoder.decode(bytes, { stream: true }) });
  try {
    while (machine.runFor(1e9, Infinity) === undefined);
    return { console, instructions: machine.stats.instructions, nowNs: machine.nowNs };
  } finally {
    machine.dispose();
  }
}

/** Runs the machine as the command line does, until it ends, or shall stop. */
function drive(server: GdbServer, machine: Machine): { stop: boolean; readonly ended: Promise<StopReason | undefined> } {
  const state = { stop: false, ended: run() };
  let wake = () => {};
  server.wake = () => wake();
  server.quit = () => {
    state.stop = true;
    wake();
  };
  return state;

  async function run(): Promise<StopReason | undefined> {
    await undefined;
    while (!state.stop) {
      const reason = machine.runFor(Infinity, 20);
      if (reason?.kind === "reboot") await machine.reboot(reason.domain!);
      else if (reason) return reason;
      if (!machine.waiting) await new Promise((resolve) => setTimeout(resolve));
      else {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 100);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    }
    return undefined;
  }
}
