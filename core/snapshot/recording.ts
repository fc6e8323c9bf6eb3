/**
 * Recordings: a file of lines, each JSON. The first says of what it is: manifest, overrides, hashes of images, boot time. Then comes what came from
 * outside, each with its place in the run, and in the end where the run ended and what it had printed. It is written as the run goes.
 */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { resolve } from "@std/path";
import type { Board } from "../board/board.ts";
import type { Override } from "../board/manifest_overrides.ts";
import { denoSockets } from "../host/deno_sockets.ts";
import type { SocketDriver } from "../host/host_sockets.ts";
import type { MachineEnvironment } from "../machine/machine_types.ts";
import { imageHashes } from "./file.ts";
import type { HaltedPlace, Journal, JournalEntry, RunPlace } from "./journal.ts";
import { boardHash } from "./snapshot.ts";

/** Grows with every change that others can't read. */
export const RECORDING_VERSION = 2;
/** The first one had no inputs in the middle of a turn. */
const READABLE: readonly unknown[] = [1, RECORDING_VERSION];

/** The first line. */
export interface RecordingHead {
  /** {@linkcode RECORDING_VERSION}. */
  readonly recording: number;
  /** The manifest's path, for what is relative to it. */
  readonly file: string;
  /** The text. */
  readonly manifest: string;
  /** Values over the manifest's. */
  readonly overrides: readonly Override[];
  /** Of the board that came of both. */
  readonly boardHash: string;
  /** SHA-256 by reference. */
  readonly images: Readonly<Record<string, string>>;
  /** Where the guests' calendar begins, in Unix seconds. */
  readonly bootTimeSeconds?: number;
}

/** The last line. */
export interface RecordingEnd {
  /** Where the run was. */
  readonly place: RunPlace;
  /** SHA-256 of what each serial port put out. */
  readonly output: Readonly<Record<string, string>>;
  /** Ports that sockets got from the host, in the order in which they were asked for. */
  readonly ports: readonly number[];
}

/** What serial ports put out, as hashes. */
export class OutputHashes {
  readonly #hashes = new Map<string, Hash>();

  /** A port put this out. */
  add(port: string, bytes: Uint8Array): void {
    if (!this.#hashes.has(port)) this.#hashes.set(port, createHash("sha256"));
    this.#hashes.get(port)!.update(bytes);
  }

  /** SHA-256 by port. */
  get hex(): Record<string, string> {
    return Object.fromEntries([...this.#hashes].map(([port, hash]) => [port, hash.copy().digest("hex")]));
  }

  /** One that goes on by itself. */
  copy(): OutputHashes {
    const copy = new OutputHashes();
    for (const [port, hash] of this.#hashes) copy.#hashes.set(port, hash.copy());
    return copy;
  }
}

/** Throws an error for a board whose run no recording can repeat. */
export function checkRecordable({ parallel }: Pick<Board, "parallel">): void {
  if (!parallel) return;
  throw new Error("CPUs in parallel can't be recorded, because the host decides who is first: set `parallel` to false");
}

/** The first line of a recording. `manifest`: the text of `board.file`. */
export function recordingHead(
  board: Board,
  manifest: string,
  images: ReadonlyMap<string, Uint8Array>,
  overrides: readonly Override[],
): RecordingHead {
  return {
    recording: RECORDING_VERSION,
    file: resolve(board.file),
    manifest,
    // How time is paced is no part of the run.
    overrides: overrides.filter((override) => !("path" in override && override.path === "time")),
    boardHash: boardHash(board),
    images: imageHashes(images),
    bootTimeSeconds: board.bootTimeSeconds,
  };
}

/** The host's sockets; what ports it gave goes to `ports`. */
export function recordedSockets(ports: number[]): SocketDriver {
  return {
    live: denoSockets.live,
    open: (post) => {
      const service = denoSockets.open(post);
      const listen = (...given: Parameters<typeof service.listen>) => {
        const port = service.listen(...given);
        ports.push(port);
        return port;
      };
      return {
        do: (command) => service.do(command),
        datagrams: (id, at) => service.datagrams(id, at),
        close: () => service.close(),
        listen,
      };
    },
  };
}

/** A line of a recording. */
export function recordingLine(value: RecordingHead | JournalEntry | { readonly end: RecordingEnd }): string {
  return `${JSON.stringify(value, replacer)}\n`;
}

/** Writes one. */
export class Recorder {
  readonly #file: Deno.FsFile;
  readonly #output = new OutputHashes();
  readonly #ports: number[] = [];
  /** For the machine that is recorded. */
  readonly environment: Pick<MachineEnvironment, "onInput" | "sockets">;

  /** Throws what the host throws, and what {@linkcode checkRecordable} does. */
  constructor(path: string, board: Board, images: ReadonlyMap<string, Uint8Array>, overrides: readonly Override[]) {
    checkRecordable(board);
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
    this.#line(recordingHead(board, Deno.readTextFileSync(board.file), images, overrides));
    this.environment = { onInput: (entry) => this.#line(entry), sockets: recordedSockets(this.#ports) };
  }

  /** A port put this out. */
  output(port: string, bytes: Uint8Array): void {
    this.#output.add(port, bytes);
  }

  /** The last line, and no more. */
  end(machine: { readonly journal: Journal }): void {
    const end: RecordingEnd = { place: machine.journal.place, output: this.#output.hex, ports: this.#ports };
    this.#line({ end });
    this.#file.close();
  }

  #line(value: Parameters<typeof recordingLine>[0]): void {
    const bytes = new TextEncoder().encode(recordingLine(value));
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
  }
}

/** A recording that was read. */
export interface Recording {
  /** Of what it is. */
  readonly head: RecordingHead;
  /** What came from outside. */
  readonly entries: readonly JournalEntry[];
  /** Absent when the program that wrote it was killed. */
  readonly end: RecordingEnd | undefined;
}

/** Reads one. Throws an error that says at which line it is none. */
export async function readRecording(path: string): Promise<Recording> {
  const lines = (await Deno.readTextFile(path)).split("\n");
  // Without a line break, its writer was killed in the middle of it.
  lines.pop();
  const parsed = lines.map((line, index) => {
    try {
      return JSON.parse(line, reviver);
    } catch (error) {
      throw new Error(`${path}:${index + 1}: ${(error as Error).message}`);
    }
  });
  const [head, ...rest] = parsed;
  if (!READABLE.includes(head?.recording)) {
    throw new Error(
      `${path}: ${
        head?.recording ? `a recording of version ${head.recording}; this program reads ${RECORDING_VERSION}` : "it is no recording"
      }`,
    );
  }
  const isHead = [head.file, head.manifest, head.boardHash].every((text) => typeof text === "string") && Array.isArray(head.overrides) &&
    typeof head.images === "object";
  if (!isHead) throw new Error(`${path}:1: the head isn't complete`);
  const end = rest.at(-1)?.end;
  const entries = end === undefined ? rest : rest.slice(0, -1);
  entries.forEach((entry, index) => {
    if (!isEntry(entry)) throw new Error(`${path}:${index + 2}: this is no input`);
  });
  if (end !== undefined && (!isPlace(end.place) || typeof end.output !== "object" || !Array.isArray(end.ports))) {
    throw new Error(`${path}:${lines.length}: this is no end`);
  }
  return { head, entries, end };
}

function isEntry(value: unknown): value is JournalEntry {
  const { at, input } = Object(value) as Partial<JournalEntry>;
  if (!isPlace(at)) return false;
  switch (input?.kind) {
    case "serial":
      return typeof input.port === "string" && input.bytes instanceof Uint8Array;
    case "socket":
      return typeof input.event?.kind === "string" && Number.isSafeInteger(input.event.id);
    case "operation":
      return typeof input.operation === "string" && typeof input.domain === "string";
    case "memory":
      return typeof input.domain === "string" && Number.isSafeInteger(input.ipa) && input.bytes instanceof Uint8Array;
    case "register":
      return typeof input.domain === "string" && Number.isSafeInteger(input.vcpu) && typeof input.register === "string" &&
        /^0x[0-9a-f]{1,32}$/.test(input.value);
  }
  return false;
}

function isPlace(value: unknown): value is RunPlace {
  const { instructions, ns, parts, idle, halted } = Object(value) as Partial<RunPlace>;
  if (halted !== undefined && !isHaltedPlace(halted)) return false;
  return [instructions, ns, parts].every((number) => Number.isSafeInteger(number) && number! >= 0) && typeof idle === "boolean";
}

function isHaltedPlace(value: unknown): boolean {
  const { domain, vcpu, pc } = Object(value) as Partial<HaltedPlace>;
  return typeof domain === "string" && Number.isSafeInteger(vcpu) && typeof pc === "string" && /^0x[0-9a-f]{1,16}$/.test(pc);
}

function replacer(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? { base64: value.toBase64() } : value;
}

function reviver(_key: string, value: unknown): unknown {
  const { base64, ...others } = Object(value) as { base64?: unknown };
  return typeof base64 === "string" && Object.keys(others).length === 0 ? Uint8Array.fromBase64(base64) : value;
}
