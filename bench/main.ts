/** `deno task bench`: MIPS of guest kernels, boot and start-up times, and the same on QEMU where it is installed. */
import { parseArgs } from "@std/cli/parse-args";
import { blkOnOurs, blkOnQemu, blkResults, prepareBlk } from "./blk.ts";
import { bootOnOurs, bootOnQemu, prepareImages, startUp } from "./boot.ts";
import { guestKernels, runOnOurs, runOnQemu } from "./kernels.ts";
import { qemuVersion } from "./qemu.ts";
import { mmioRoundTrips } from "./mmio.ts";
import { downloadOnOurs, downloadOnQemu, netResult, prepareNet, serveDownload } from "./net.ts";
import { busyPair, parallelResult } from "./parallel.ts";
import { preparePrograms, programResults, programsOnOurs, programsOnQemu } from "./programs.ts";
import { bootResult, kernelResult, measures, mmioResult } from "./results.ts";
import type { Results } from "./results.ts";
import { alternate, medianDuration } from "./statistics.ts";
import { blkLine, bootLine, heading, kernelLine, measureLine, mmioLine, netLine, parallelLine, startUpLine, userLine } from "./table.ts";
import { isolatedCommands, userCommands, userlandOnOurs, userlandOnQemu, userResults } from "./userland.ts";

const names = [
  ...guestKernels.map(({ name }) => name),
  "boot",
  "start-up",
  "userland",
  "isolated",
  "programs",
  "mmio",
  "parallel",
  "net",
  "blk",
];
const USAGE = `deno task bench [--only NAME]... [--quick] [--no-qemu] [--kernel IMAGE] [--tier1 MODE] [--json]
  --only NAME     ${names.join(", ")}; may be repeated
  --quick         one run of each in place of three
  --no-qemu       ours only
  --kernel IMAGE  boots this kernel in place of the one in boards/debian.yaml
  --tier1 MODE    off, on or force: whether hot code is compiled; on when not given
  --json          results on standard output as JSON`;

const args = parseArgs(Deno.args, {
  boolean: ["quick", "json", "help", "qemu"],
  negatable: ["qemu"],
  string: ["only", "kernel", "tier1"],
  collect: ["only"],
  default: { qemu: true, tier1: "on" },
  unknown: (argument) => usage(`unknown: ${argument}`),
});

function usage(mistake: string): never {
  console.error(`error: ${mistake}\n${USAGE}`);
  Deno.exit(2);
}

if (args.help) {
  console.log(USAGE);
  Deno.exit();
}
for (const name of args.only) if (!names.includes(name)) usage(`--only ${name}: want one of ${names.join(", ")}`);

const wanted = (name: string) => args.only.length === 0 || args.only.includes(name);
const say = (line: string) => args.json ? console.error(line) : console.log(line);
const qemu = args.qemu ? await qemuVersion() : undefined;
const results: Results = { qemu, runs: args.quick ? 1 : 3, kernels: [] };
const inTurn = <T>(ours: () => Promise<T>, other?: () => Promise<T>) => alternate(results.runs, ours, qemu ? other : undefined);

/** After a run that keeps what it compiled. */
async function secondRuns<T>(ours: () => Promise<T>, other: () => Promise<T>) {
  await ours();
  return await inTurn(ours, other);
}

/** A directory that is gone afterwards. */
async function inDirectory(work: (directory: string) => Promise<void>) {
  const directory = await Deno.makeTempDir({ prefix: "plugboard-bench-" });
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

say(`${results.runs === 1 ? "One run" : `Medians of ${results.runs} runs`} of each, ours and QEMU's (${qemu ?? "not used"}) in turn.`);
say("Speeds are by CPU time where /proc tells it. Machines are noisy: take a figure as good to a quarter.\n");
say(heading());

for (const kernel of guestKernels.filter(({ name }) => wanted(name))) {
  const runs = await inTurn(() => runOnOurs(kernel, args.tier1), () => runOnQemu(kernel));
  const result = kernelResult(kernel, runs.ours, runs.other);
  results.kernels.push(result);
  say(kernelLine(result));
}
if (wanted("boot")) {
  await inDirectory(async (directory) => {
    const images = await prepareImages(directory, args.kernel);
    const other = () => bootOnQemu(images);
    const first = await inTurn(() => bootOnOurs(images, args.tier1), other);
    results.boot = bootResult(first.ours, first.other);
    say(bootLine(results.boot, "Debian to a shell, 1 vCPU"));
    const second = await secondRuns(() => bootOnOurs(images, args.tier1, directory), other);
    results.secondBoot = bootResult(second.ours, second.other);
    say(bootLine(results.secondBoot, "the same, second run"));
  });
}
for (const [name, commands, isolated] of [["userland", userCommands, false], ["isolated", isolatedCommands, true]] as const) {
  if (!wanted(name)) continue;
  await inDirectory(async (directory) => {
    const images = await prepareImages(directory, args.kernel);
    const ours = () => userlandOnOurs(images, args.tier1, commands, isolated);
    const runs = await inTurn(ours, () => userlandOnQemu(images, commands, isolated));
    results[name] = userResults(commands, runs.ours, runs.other);
    for (const result of results[name]) say(userLine(result));
  });
}
if (wanted("programs")) {
  await inDirectory(async (directory) => {
    const images = await preparePrograms(directory);
    const other = () => programsOnQemu(images);
    const first = await inTurn(() => programsOnOurs(images, args.tier1), other);
    results.programs = programResults(first.ours, first.other);
    for (const result of results.programs) say(userLine(result));
    const second = await secondRuns(() => programsOnOurs(images, args.tier1, directory), other);
    results.secondPrograms = programResults(second.ours, second.other);
    for (const result of results.secondPrograms) say(userLine({ ...result, doc: `${result.doc}: second run` }));
  });
}
if (wanted("start-up")) {
  const runs = await alternate(args.quick ? 1 : 5, startUp);
  results.startUp = medianDuration(runs.ours)!;
  say(startUpLine(results.startUp));
}
if (wanted("mmio")) {
  const runs = await inTurn(mmioRoundTrips);
  results.mmio = mmioResult(runs.ours);
  say(mmioLine(results.mmio));
}
if (wanted("parallel")) {
  const runs = await inTurn(busyPair);
  results.parallel = parallelResult(runs.ours);
  say(parallelLine(results.parallel));
}
if (wanted("net")) {
  const { append, close } = serveDownload();
  try {
    await inDirectory(async (directory) => {
      const images = await prepareNet(directory);
      const runs = await inTurn(() => downloadOnOurs(images, append, args.tier1), () => downloadOnQemu(images, append));
      results.net = netResult(runs.ours, runs.other);
      say(netLine(results.net));
    });
  } finally {
    await close();
  }
}
if (wanted("blk")) {
  await inDirectory(async (directory) => {
    const images = await prepareBlk(directory);
    const runs = await inTurn(() => blkOnOurs(images, args.tier1), () => blkOnQemu(images));
    results.blk = blkResults(runs.ours, runs.other);
    for (const result of results.blk) say(blkLine(result));
  });
}

const found = measures(results);
if (found.length) say(`\n${found.map(measureLine).join("\n")}`);
if (args.json) console.log(JSON.stringify({ ...results, measures: found }, undefined, 2));
