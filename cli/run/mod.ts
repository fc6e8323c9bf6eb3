/** `run`: boots a board; the guest's console is this terminal. */
import { Command, ValidationError } from "@cliffy/command";
import { dirname } from "@std/path";
import { OptionError, parseDuration, SnapshotError } from "../../core/mod.ts";
import type { Board, Machine, StopReason } from "../../core/mod.ts";
import { ImagesError, imageUses, resolveImages } from "../../plugins/images/mod.ts";
import { boardVerb, overridesOf } from "../board/options.ts";
import type { BoardOptions } from "../board/options.ts";
import { ConsoleFiles } from "../console/files.ts";
import { Consoles } from "../console/consoles.ts";
import { openControl, operatorOf } from "./operate.ts";
import { describeEnding, EXIT, exitCodeOf } from "../exit_codes.ts";
import type { Ending } from "../exit_codes.ts";
import { Watcher } from "../expect/expectations.ts";
import { loadAndPrint, printFindings } from "../board/load.ts";
import { debugged, type GdbOptions, openGdb } from "../gdb/run.ts";
import type { LoadedBoard } from "../board/load.ts";
import { engineVersion, keptDirectory, KeptFiles } from "./kept_files.ts";
import { PROFILE, profileOverride, withSymbols } from "./profile.ts";
import { POWER_KEY, runMachine } from "./runner.ts";
import type { Limits, Surroundings } from "./runner.ts";
import type { RunResult } from "./result.ts";
import { addMomentOptions, Moments } from "../snapshots/moments.ts";
import type { MomentOptions } from "../snapshots/moments.ts";
import { Script, scriptOf } from "../expect/script.ts";
import { runSummary, summary } from "../board/summary.ts";
import { GuestSymbols, readSymbols } from "../symbols/guest_symbols.ts";
import type { SymbolTable } from "../symbols/symbol_table.ts";
import { addTraceOptions, Traces } from "../trace/mod.ts";
import type { TraceOptions } from "../trace/mod.ts";
import { Terminal } from "../console/terminal.ts";
import type { Done } from "../verb.ts";

interface RunOptions extends BoardOptions, GdbOptions, TraceOptions, MomentOptions {
  expect?: string[];
  timeout?: string;
  wallTimeout?: string;
  realtime?: boolean;
  log?: boolean;
  profile?: boolean;
  /** False with --no-translations. */
  translations?: boolean;
  symbols?: string[];
  /** False with --no-reboot. */
  reboot?: boolean;
  port?: string;
  all?: boolean;
  console?: string[];
  result?: string;
  test?: boolean;
  control?: string;
  web?: string | true;
  quiet?: boolean;
}

/** The command. */
export function command(done: Done): Command {
  const script = new Script();
  return boardVerb(
    done,
    addMomentOptions(addTraceOptions(
      script.addTo(new Command().description("Boot a board. The guest's console is this terminal: C-a x ends the run, C-a h helps.")),
    ))
      .option("--timeout <time:string>", "End with 4 after so much virtual time, such as 30s.")
      .option("--wall-timeout <time:string>", "End with 4 after so much time of this machine's clock.")
      .env("PLUGBOARD_WALL_TIMEOUT=<time:string>", "The same, for whole test suites.", { prefix: "PLUGBOARD_" })
      .option("--realtime", "Pace virtual time against this machine's clock, as `time: host` does and as a terminal as input implies.")
      .option("--no-reboot", "End with 5 when a guest asks for a reboot, or is reset; otherwise it gets it.")
      .option("--port <name:string>", "The serial port to connect to this terminal; console, or the first. C-a c takes the next one.")
      .option(
        "--all",
        "Show all serial ports, each line behind its port's name; so it is without --port when several guests have one and none is called console.",
      )
      .option(
        "--console <file:string>",
        "Write the output of a serial port to a file: NAME=FILE. May be repeated. The port that this terminal is connected to is shown as well.",
        { collect: true },
      )
      .option(
        "--gdb [address:string]",
        "Let GDB connect: 127.0.0.1:1234, another HOST:PORT, or unix:PATH. Domains are its processes, vCPUs its threads.",
      )
      .option("--gdb-wait", "Begin when GDB says so; implies --gdb.")
      .option("--log", "Print what is out of the ordinary, to standard error: accesses to nothing, unknown calls, failures.")
      .option(
        "--no-translations",
        "Neither use nor keep compiled code of other runs. It lies in the cache directory, which `doctor` shows; the environment variable PLUGBOARD_TRANSLATIONS=off does the same.",
      )
      .option("--profile", "Print where the guest's instructions and the host's time went, when the run ends.")
      .option(
        "--symbols <file:string>",
        "Names of functions, for reports and profiles: an ELF file, or what nm and System.map say. A Linux kernel's are found in its memory. May be repeated.",
        { collect: true },
      )
      .option("--test", "Expect, and type, what the manifest's `test` says, as `plugboard test` does; 60s of virtual time at most.")
      .option("--result <file:string>", "Write how it ended to a file, as JSON.")
      .option(
        "--control <path:string>",
        "Listen there for ps, pause, unpause, reboot, destroy and console; `auto`: a socket of its own under XDG_RUNTIME_DIR.",
      )
      .option(
        "--web [address:string]",
        "A page for a browser, with consoles, domains, exits and the map: on a port of 127.0.0.1 that is free, or HOST:PORT. Its address is printed.",
      )
      .option("-q, --quiet", "Print nothing but the guest's console, and errors."),
    (options: RunOptions, file) => run(options, file, script),
  );
}

async function run(options: RunOptions, file: string, script: Script): Promise<number> {
  const asked = limitsOf(options);
  const overrides = overridesOf(options);
  if (options.profile) overrides.push(profileOverride);
  // A debugger halts a run between two instructions: only one of which each repeats has such a place.
  if (options.gdb || options.gdbWait) overrides.push({ flag: "--gdb", path: "parallel", value: "false" });
  // Who watches from within sees one thread.
  const watching = (["trace", "tarmac", "flame", "profile"] as const).find((name) => options[name]);
  if (watching) overrides.push({ flag: `--${watching}`, path: "parallel", value: "false" });
  const tables = await symbolFiles(options.symbols ?? []);
  const symbols = new GuestSymbols(tables, () => machine?.domains ?? []);
  // Somebody sits at a terminal: an idle guest must not race through virtual time while they think.
  const interactive = Deno.stdin.isTerminal() && !options.expect?.length;
  if (options.realtime || interactive) {
    overrides.push({ flag: options.realtime ? "--realtime" : "a terminal", path: "time", value: "host" });
  }
  const isKept = options.translations !== false && Deno.env.get("PLUGBOARD_TRANSLATIONS") !== "off";
  let machine: Machine | undefined;
  const loaded = await loadAndPrint(file, overrides);
  if (!loaded) return EXIT.usage;
  const { board } = loaded;
  const say = options.quiet ? () => {} : (line: string) => console.error(line);
  say(summary(board));

  const images = await fetchImages(board, loaded, say);
  if (!images) return EXIT.usage;
  let files: ConsoleFiles;
  try {
    files = new ConsoleFiles(options.console ?? []);
  } catch (error) {
    console.error(`error: ${(error as Error).message}`);
    return EXIT.usage;
  }
  const onTerminal = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  const consoles: Consoles = new Consoles({
    show: (bytes) => terminal.write(bytes),
    remark: (text) => terminal.remark(`\n-- ${text} --\n`),
    file: (name, bytes) => files.write(name, bytes),
    style: { newline: onTerminal ? "\r\n" : "\n", live: onTerminal },
  });
  const terminal = new Terminal(consoles);
  await using opened = new AsyncDisposableStack();
  opened.defer(() => files.close());
  const gdb = openGdb(options);
  opened.defer(() => gdb?.close());
  const control = await openControl(options, board);
  if (control === null) return EXIT.usage;
  opened.defer(() => control?.close());
  const ownTest = options.test ? board.test ?? {} : undefined;
  const limits = ownTest && options.timeout === undefined
    ? { ...asked, virtual: limitsOf({ timeout: ownTest.timeout ?? "60s" }).virtual }
    : asked;
  const watcher = new Watcher(ownTest && script.isEmpty ? scriptOf(ownTest) : script);
  const moments = new Moments(options, board, images, overrides, say);
  const traces = new Traces(options, board.domains.map(({ name }) => name));
  try {
    machine = await moments.make({
      ...moments.environment,
      images,
      bootTimeSeconds: board.bootTimeSeconds,
      expectsInput: true,
      attended: control !== undefined || gdb !== undefined,
      symbolOf: symbols.nameOf,
      instrument: traces.instrument,
      cache: isKept ? new KeptFiles(keptDirectory(), engineVersion) : undefined,
      onSerial(port, bytes) {
        watcher.see(port, bytes);
        moments.see(port, bytes);
        control?.server.output(port, bytes);
        if (!consoles.write(port, bytes)) terminal.quit ??= {};
      },
      onTrace(kind, detail) {
        traces.event(kind, detail);
        if (options.log) console.error(`[${kind}] ${detail}\r`);
        if (kind === "domain ended") tellOfCrash(machine, detail);
        else if (kind === PROFILE && !options.log) console.error(withSymbols(detail, symbols.anyNameOf));
      },
    });
  } catch (error) {
    if (error instanceof SnapshotError) {
      console.error(`error: ${error.message}`);
      return EXIT.usage;
    }
    if (!(error instanceof OptionError)) throw error;
    printFindings([await loaded.locate("M0702", error.message, error.path ?? [])]);
    return EXIT.usage;
  }
  try {
    if (gdb) machine = debugged(machine, gdb, options.gdbWait ?? false, terminal, say);
    traces.machine = machine;
    const ports = machine.serialPorts.filter((name) => name !== POWER_KEY);
    for (const name of [...options.port === undefined ? [] : [options.port], ...files.names]) {
      if (ports.includes(name)) continue;
      console.error(`error: no device has a serial port ${name}; there is ${ports.join(", ") || "none"}`);
      return EXIT.usage;
    }
    const shown = ports.filter((name) => !files.names.has(name));
    const several = board.domains.length > 1 && shown.length > 1 && !ports.includes("console") && options.port === undefined;
    consoles.start(ports, { chosen: options.port, all: options.all ?? several, files: files.names });
    const manner = board.parallel ? "CPUs in parallel" : `deterministic, seed ${board.seed}`;
    say(`run    ${board.time === "host" ? "paced by this machine's clock" : manner}; C-a h for keys`);
    const rebooting = options.reboot === false
      ? undefined
      : (reason: StopReason) => say(`\nreboot ${describeEnding({ kind: "stopped", reason })}`);
    for (const line of control?.addresses ?? []) say(line);
    const operator = control && operatorOf(control.server, machine);
    const around = { port: consoles.chosen, terminal, consoles, watcher, limits, rebooting, control: operator };
    const result = await runAndReport(machine, around, say);
    if (options.profile) symbols.remember();
    if (options.result !== undefined) await Deno.writeTextFile(options.result, JSON.stringify(result, null, 2));
    return moments.save(machine) ? result.code : EXIT.usage;
  } finally {
    for (const remark of traces.close(symbols)) console.error(remark);
    moments.end(machine);
    machine.dispose();
  }
}

async function runAndReport(
  machine: Machine,
  surroundings: Surroundings & { readonly terminal: Terminal; readonly consoles: Consoles },
  say: (line: string) => void,
): Promise<RunResult> {
  const { terminal, consoles, watcher } = surroundings;
  const start = performance.now();
  const { instructions: before } = machine.stats;
  let ending: Ending;
  terminal.open();
  try {
    ending = await runMachine(machine, surroundings);
  } finally {
    consoles.end();
    terminal.close();
  }
  const wallMs = performance.now() - start;
  const { instructions, exits, reboots, traced } = machine.stats;
  const code = exitCodeOf(ending, watcher.missing);
  say("");
  const report = reportOf(ending, machine);
  if (report !== undefined) console.error(report);
  for (const text of code === EXIT.ok || code === EXIT.interrupted ? [] : watcher.missing) {
    console.error(`expected and not seen: ${JSON.stringify(text)}`);
  }
  if (code !== EXIT.ok && !("signal" in ending)) console.error(`error: ${describeEnding(ending)}`);
  const outcome = describeEnding(ending);
  say(runSummary({ outcome, virtualNs: machine.nowNs, wallMs, instructions, before, exits, reboots, traced }));
  return {
    board: machine.board.name,
    code,
    outcome,
    missing: watcher.missing,
    virtualNs: machine.nowNs,
    wallMs,
    instructions,
    exits: Object.fromEntries(exits),
    reboots,
    report,
  };
}

/** A domain that crashes while others go on: the run doesn't end with it, so nobody else would say so. */
function tellOfCrash(machine: Machine | undefined, detail: string): void {
  if (machine === undefined || !machine.domains.some(({ outcome }) => outcome === undefined)) return;
  const domain = machine.domains.find(({ name }) => detail.startsWith(`${name}: `));
  if (domain?.outcome?.kind !== "crash") return;
  console.error(`\nerror: ${domain.name} crashed; the others go on\n${domain.outcome.report}`);
}

/** What the vCPUs were doing, when the end was none that the guest wanted. */
function reportOf(ending: Ending, machine: Machine): string | undefined {
  if (ending.kind === "stopped") return ending.reason.report;
  if (ending.kind === "timeout") return `when the time was over:\n${machine.describe()}`;
  return ending.kind === "panic" || ending.kind === "in-vain" ? `what the vCPUs were doing:\n${machine.describe()}` : undefined;
}

async function symbolFiles(files: readonly string[]): Promise<SymbolTable[]> {
  const read = (file: string) =>
    Deno.readFile(file).catch((error) => {
      throw new ValidationError(`--symbols ${file}: ${error.message}`);
    });
  return (await Promise.all(files.map(read))).map(readSymbols);
}

async function fetchImages(board: Board, loaded: LoadedBoard, say: (line: string) => void): Promise<Map<string, Uint8Array> | undefined> {
  const uses = imageUses(board);
  try {
    return await resolveImages(uses.map(({ reference }) => reference), dirname(board.file), (line) => say(`image  ${line}`));
  } catch (error) {
    if (!(error instanceof ImagesError)) throw error;
    const findings = error.failures.map(({ message, reference }) => {
      const use = uses.find((candidate) => candidate.reference === reference);
      return loaded.locate("M0701", message, use?.path ?? []);
    });
    printFindings(await Promise.all(findings));
    return undefined;
  }
}

function limitsOf({ timeout, wallTimeout }: RunOptions): Limits {
  const parse = (flag: string, text: string) => {
    const ns = parseDuration(text);
    if (ns === undefined || ns <= 0) throw new ValidationError(`${flag} ${text}: want a time with its unit, such as 30s or 500ms`);
    return ns;
  };
  return {
    virtual: timeout === undefined ? undefined : { ns: parse("--timeout", timeout), text: timeout },
    wall: wallTimeout === undefined ? undefined : { ms: parse("--wall-timeout", wallTimeout) / 1e6, text: wallTimeout },
  };
}
