/** `run --from FILE`, `--save FILE`, `--warm TEXT`, `--record FILE`: where a run begins, and what is kept of it. */
import { ValidationError } from "@cliffy/command";
import type { Command } from "@cliffy/command";
import { dirname } from "@std/path";
import { boardHash, imageHashes, Machine, readSnapshot, Recorder, SnapshotError, writeSnapshot } from "../../core/mod.ts";
import type { Board, MachineEnvironment, Override } from "../../core/mod.ts";
import { cacheDirectory } from "../../plugins/images/mod.ts";
import { Watcher } from "../expect/expectations.ts";
import { parsePattern } from "../expect/patterns.ts";
import type { Pattern } from "../expect/patterns.ts";
import version from "../../deno.json" with { type: "json" };

/** As the command line gives them. */
export interface MomentOptions {
  from?: string;
  save?: string;
  warm?: string;
  record?: string;
}

/** Adds the options to a command. */
export function addMomentOptions(command: Command): Command {
  return command
    .option("--from <file:string>", "Begin with a snapshot of this board instead of its boot.")
    .option("--save <file:string>", "Write a snapshot when the run ends: --from goes on with it.")
    .option(
      "--warm <text:string>",
      "Begin where the guest has printed this, a text or an expression such as '/login: $/': by booting once, and later from a snapshot in the cache, for as long as board and images are the same.",
      { conflicts: ["from"] },
    )
    .option("--record <file:string>", "Record what comes from outside, for `replay`.", {
      conflicts: ["from", "warm"],
    }) as unknown as Command;
}

/** Virtual time between two looks at what a guest printed that is to be warm. */
const LOOK_NS = 2_000_000;
/** Wall-clock time after which others get a turn, in milliseconds. */
const SLICE_MS = 20;
/** Virtual time after which what is to be warm isn't waited for any longer. */
const PATIENCE_NS = 300e9;

/** Those of a run. */
export class Moments {
  readonly #recorder: Recorder | undefined;
  readonly #warm: Pattern | undefined;
  /** Waits for it, while it is waited for. */
  #watcher: Watcher | undefined;

  /** Opens the recording. Throws a `ValidationError` when it can't, and for what is no expression. */
  constructor(
    readonly options: MomentOptions,
    readonly board: Board,
    readonly images: ReadonlyMap<string, Uint8Array>,
    overrides: readonly Override[],
    readonly say: (line: string) => void,
  ) {
    this.#warm = options.warm === undefined ? undefined : parsePattern("--warm", options.warm);
    if (options.record === undefined) return;
    try {
      this.#recorder = new Recorder(options.record, board, images, overrides);
    } catch (error) {
      throw new ValidationError(`--record ${options.record}: ${(error as Error).message}`);
    }
  }

  /** What a machine's environment has of it. */
  get environment(): Pick<MachineEnvironment, "onInput" | "sockets"> {
    return this.#recorder ? this.#recorder.environment : {};
  }

  /** What the guest prints. */
  see(port: string, bytes: Uint8Array): void {
    this.#recorder?.output(port, bytes);
    this.#watcher?.see(port, bytes);
  }

  /** The machine at its beginning, wherever that is. Throws a {@linkcode SnapshotError}, and what `Machine.create` throws. */
  async make(environment: MachineEnvironment): Promise<Machine> {
    const { from } = this.options, warm = this.#warm;
    if (from !== undefined) return await this.#restore(from, environment);
    if (warm === undefined) return await Machine.create(this.board, environment);
    const kept = this.#warmFile(warm.text);
    try {
      const machine = await this.#restore(kept, environment);
      this.say(`warm   from ${kept}`);
      return machine;
    } catch (error) {
      // It isn't there, or of no use any more: it is made.
      if (!(error instanceof SnapshotError)) throw error;
    }
    const machine = await Machine.create(this.board, environment);
    await this.#warmUp(machine, warm, kept);
    return machine;
  }

  /** The run has ended: the snapshot that was asked for. False when the machine has what none can hold, which is printed. */
  save(machine: Machine): boolean {
    const { save } = this.options;
    if (save === undefined) return true;
    try {
      using snapshot = machine.save();
      writeSnapshot(save, snapshot);
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      console.error(`error: nothing is saved: ${error.message}`);
      return false;
    }
    this.say(`saved  ${save}`);
    return true;
  }

  /** The run is over, however it ended. */
  end(machine: Machine): void {
    this.#recorder?.end(machine);
  }

  async #restore(file: string, environment: MachineEnvironment): Promise<Machine> {
    using snapshot = readSnapshot(file);
    return await Machine.restore(this.board, environment, snapshot);
  }

  async #warmUp(machine: Machine, pattern: Pattern, file: string): Promise<void> {
    const watcher = this.#watcher = new Watcher({ steps: [{ expect: pattern }], refuse: [] });
    while (watcher.ending === undefined) {
      const isOver = machine.runFor(LOOK_NS, SLICE_MS) !== undefined || machine.waiting && machine.wakeAfterMs === undefined;
      watcher.settle(isOver ? undefined : machine.nowNs);
      if (watcher.ending === undefined && (isOver || machine.nowNs > PATIENCE_NS)) break;
      await new Promise((resolve) => setTimeout(resolve, machine.wakeAfterMs ?? 0));
    }
    this.#watcher = undefined;
    if (watcher.ending?.kind !== "expected") {
      const seconds = (machine.nowNs / 1e9).toFixed(3);
      this.say(
        `\nwarm   ${JSON.stringify(pattern.text)} didn't come in ${seconds} s of virtual time: the run goes on, and nothing is kept`,
      );
      return;
    }
    try {
      using snapshot = machine.save();
      Deno.mkdirSync(dirname(file), { recursive: true });
      writeSnapshot(file, snapshot);
      this.say(`\nwarm   ${file} is where this board begins from now on`);
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      this.say(`\nwarm   the run goes on, and nothing is kept: ${error.message}`);
    }
  }

  /** The name says of what it is: board, images, program and text. */
  #warmFile(text: string): string {
    const hashes = Object.entries(imageHashes(this.images)).sort();
    const key = new TextEncoder().encode(
      JSON.stringify([version.version, boardHash(this.board), this.board.bootTimeSeconds, hashes, text]),
    );
    const [name] = Object.values(imageHashes(new Map([["", key]])));
    return `${cacheDirectory()}/warm/${name}.snap`;
  }
}
