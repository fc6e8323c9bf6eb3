/** `replay`: does a recorded run again, and says whether it is the same. */
import { Command } from "@cliffy/command";
import { dirname, join } from "@std/path";
import {
  boardHash,
  BUNDLE_RECORDING,
  imageHashes,
  Machine,
  OutputHashes,
  readRecording,
  ReplayError,
  replaySockets,
} from "../../core/mod.ts";
import type { Recording } from "../../core/mod.ts";
import { imageUses, resolveImages } from "../../plugins/images/mod.ts";
import { EXIT } from "../exit_codes.ts";
import { load, printFindings } from "../board/load.ts";
import type { Done } from "../verb.ts";

/** Wall-clock time after which signals get a turn, in milliseconds. */
const SLICE_MS = 100;

interface ReplayOptions {
  quiet?: boolean;
}

/** The command. */
export function command(done: Done): Command {
  return new Command()
    .description(
      "Do a run again that `run --record` recorded: the same console, to the byte, and the same instructions. Ends with 0 when it is the same, with 1 when not. A folder that a failed test left is one too.",
    )
    .arguments("<recording:file>")
    .option("-q, --quiet", "Print nothing but the guest's console, and errors.")
    .action(async (options: ReplayOptions, file: string) => done(await replay(options, file))) as unknown as Command;
}

async function replay({ quiet }: ReplayOptions, file: string): Promise<number> {
  const say = quiet ? () => {} : (line: string) => console.error(line);
  let recording: Recording;
  try {
    recording = await readRecording(await isFolder(file) ? join(file, BUNDLE_RECORDING) : file);
  } catch (error) {
    console.error(`error: ${(error as Error).message}`);
    return EXIT.usage;
  }
  const { head, entries, end } = recording;
  const bundled = await bundledImages(file, head.images);
  const { board, findings } = await load(head.file, head.overrides, head.manifest, bundled);
  if (!board) {
    printFindings(findings);
    return EXIT.usage;
  }
  const missing = imageUses(board).map(({ reference }) => reference).filter((reference) => !bundled.has(reference));
  const images = new Map([...bundled, ...await resolveImages(missing, dirname(head.file), (line) => say(`image  ${line}`))]);
  const changed = Object.entries(imageHashes(images)).find(([reference, hash]) => head.images[reference] !== hash);
  if (changed !== undefined || boardHash(board) !== head.boardHash) {
    console.error(`error: ${changed ? `the image ${changed[0]}` : "what plugins make of the manifest"} has changed since the recording`);
    return EXIT.usage;
  }
  const output = new OutputHashes();
  const machine = await Machine.create(board, {
    images,
    bootTimeSeconds: head.bootTimeSeconds,
    replay: entries,
    expectsInput: true,
    sockets: replaySockets([], end?.ports),
    onSerial(port, bytes) {
      output.add(port, bytes);
      Deno.stdout.writeSync(bytes);
    },
  });
  try {
    await runToEnd(machine, recording);
    const place = machine.journal.place;
    say(`\nreplay ${place.instructions} instructions, ${(place.ns / 1e9).toFixed(3)} s, ${entries.length} inputs`);
    if (end === undefined) {
      say("replay the recording has no end: its program was killed");
      return EXIT.ok;
    }
    const isSame = place.instructions === end.place.instructions && place.ns === end.place.ns && place.parts === end.place.parts;
    const differing = [...new Set([...Object.keys(output.hex), ...Object.keys(end.output)])].filter((port) =>
      output.hex[port] !== end.output[port]
    );
    if (isSame && differing.length === 0) return EXIT.ok;
    console.error(
      isSame
        ? `error: the replay put something else out at ${differing.join(", ")}`
        : `error: the replay ended after ${place.instructions} instructions, the recording after ${end.place.instructions}`,
    );
    return EXIT.expectationFailed;
  } catch (error) {
    if (!(error instanceof ReplayError)) throw error;
    console.error(`error: ${error.message}`);
    return EXIT.expectationFailed;
  } finally {
    machine.dispose();
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await Deno.stat(path).catch(() => undefined))?.isDirectory ?? false;
}

/** Those that the test brought which left the bundle; a file's name is its hash. */
async function bundledImages(bundle: string, hashes: Readonly<Record<string, string>>): Promise<Map<string, Uint8Array>> {
  const images = new Map<string, Uint8Array>();
  if (!await isFolder(join(bundle, "images"))) return images;
  for (const [reference, hash] of Object.entries(hashes)) {
    if (!/^[0-9a-f]{64}$/.test(hash)) continue;
    const bytes = await Deno.readFile(join(bundle, "images", hash)).catch(() => undefined);
    if (bytes) images.set(reference, bytes);
  }
  return images;
}

/** As the program did that recorded it: domains that ask for a reboot get it, but at the very end. */
async function runToEnd(machine: Machine, { end }: Recording): Promise<void> {
  const isOver = () => {
    if (machine.journal.next !== undefined) return false;
    const { instructions, ns, parts } = machine.journal.place;
    return end === undefined || (instructions - end.place.instructions || ns - end.place.ns || parts - end.place.parts) >= 0;
  };
  for (;;) {
    const left = end ? Math.max(1, end.place.ns - machine.nowNs) : Infinity;
    const reason = machine.runFor(left, SLICE_MS);
    if (reason?.kind === "reboot" && machine.journal.next !== undefined) await machine.reboot(reason.domain!);
    else if (reason) return;
    if (isOver() || machine.waiting && machine.wakeAfterMs === undefined && machine.journal.next === undefined) return;
    await new Promise((resolve) => setTimeout(resolve));
  }
}
