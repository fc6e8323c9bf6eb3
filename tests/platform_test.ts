/** Platforms from real device tree blobs, all that Debian's kernel package has, and from broken ones. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkBoard, hex, PAGE_SIZE, PlatformError } from "../core/mod.ts";
import type { Platform, PlatformRange } from "../core/mod.ts";
import { decodeFdt, encodeFdt } from "../plugins/fdt/mod.ts";
import type { Fdt, FdtNode } from "../plugins/fdt/mod.ts";
import { Apt } from "../plugins/images/apt.ts";
import { cacheDirectory, ImageCache, ImageError } from "../plugins/images/mod.ts";
import { readTar } from "../plugins/images/tar.ts";
import { readPlatform } from "../plugins/platform/mod.ts";
import { plugins } from "../plugins/mod.ts";
import { randomBelow } from "./support/random.ts";

const PACKAGE = "linux-image-6.1.0-??-arm64";

/** Cells of a property, as a node has them. */
const cells = (...values: number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, index) => new DataView(bytes.buffer).setUint32(index * 4, value));
  return bytes;
};
const text = (...values: string[]): Uint8Array => new TextEncoder().encode(values.map((value) => `${value}\0`).join(""));
const node = (name: string, properties: Record<string, Uint8Array>, ...children: FdtNode[]): FdtNode => ({
  name,
  properties: new Map(Object.entries(properties)),
  children,
});
const blobOf = (root: FdtNode, reserved: Fdt["reserved"] = []): Uint8Array => encodeFdt({ root, reserved, bootCpu: 0 });

const bus = { "#address-cells": cells(1), "#size-cells": cells(1) };
const wide = { "#address-cells": cells(2), "#size-cells": cells(2) };

/** A machine with a bus that moves addresses, and everything that a reader looks for. */
function machine(...more: FdtNode[]): FdtNode {
  return node(
    "",
    { ...wide, model: text("Test machine") },
    node("cpus", { "#address-cells": cells(1), "#size-cells": cells(0) }, node("cpu@0", { device_type: text("cpu"), reg: cells(0) })),
    node("memory@40000000", { device_type: text("memory"), reg: cells(0, 0x4000_0000, 0, 0x1000_0000, 1, 0, 0, 0x2000) }),
    node(
      "reserved-memory",
      { ...wide, ranges: new Uint8Array(0) },
      node("secure@48000000", { reg: cells(0, 0x4800_0000, 0, 0x1800), "no-map": new Uint8Array(0) }),
      node("off@49000000", { reg: cells(0, 0x4900_0000, 0, 0x1000), status: text("disabled") }),
      node("pool", { size: cells(0, 0x10_0000) }),
    ),
    node("psci", { compatible: text("arm,psci-1.0", "arm,psci"), method: text("hvc") }),
    node(
      "soc",
      { ...bus, compatible: text("simple-bus"), ranges: cells(0x1000, 0, 0x900_0000, 0x10_0000) },
      node("serial@1000", { compatible: text("arm,pl011", "arm,primecell"), reg: cells(0x1000, 0x1000) }),
      node("serial@2000", { compatible: text("cdns,uart-r1p12"), reg: cells(0x2000, 0x1000), status: text("disabled") }),
      node("acme@3000", { compatible: text("acme,anvil"), reg: cells(0x3000, 0x1000) }),
      node("gic@4000", { compatible: text("arm,gic-v3"), reg: cells(0x4000, 0x1_0000, 0x2_4000, 0x2_0000) }),
      node(
        "sram@8000",
        { ...bus, compatible: text("mmio-sram"), reg: cells(0x8000, 0x4000), ranges: cells(0, 0x8000, 0x4000) },
        node("a-sram@1000", { reg: cells(0x1000, 0x800), export: new Uint8Array(0) }),
      ),
      node("far@fffff000", { compatible: text("arm,pl031"), reg: cells(0xffff_f000, 0x1000) }),
    ),
    ...more,
  );
}

const find = ({ devices }: Platform, path: string) => devices.find((device) => device.path === path)!;

Deno.test("a blob gives RAM without what is reserved, CPUs, and devices in the CPU's addresses", () => {
  const platform = readPlatform(blobOf(machine(), [{ at: 0x4000_0000n, size: 0x1_0001n }]));
  assertEquals(platform.model, "Test machine");
  assertEquals(platform.cpus, 1);
  assertEquals(platform.memory, [
    { at: 0x4001_1000, size: 0x7fe_f000 },
    { at: 0x4800_2000, size: 0x7ff_e000 },
    { at: 0x1_0000_0000, size: 0x2000 },
  ]);
  assertEquals(platform.reserved.map(({ name }) => name), ["/memreserve/ 0", "/reserved-memory/secure@48000000, no-map"]);
  assertEquals(find(platform, "/soc/serial@1000").windows, [{ at: 0x900_0000, size: 0x1000 }]);
  assertEquals(find(platform, "/soc/gic@4000").windows, [{ at: 0x900_3000, size: 0x1_0000 }, { at: 0x902_3000, size: 0x2_0000 }]);
  assertEquals(find(platform, "/soc/gic@4000").detail, "GICv3, GICD 0x0900_3000 GICR 0x0902_3000, plugin gicv3");
  assertEquals(find(platform, "/psci").detail, "PSCI 1.0, by hvc, plugin psci");
  assertEquals(find(platform, "/soc/serial@2000"), undefined, "it is switched off");
  const sram = find(platform, "/soc/sram@8000");
  assertEquals([sram.role, sram.windows, sram.children[0].windows], [
    "sram",
    [{ at: 0x900_7000, size: 0x4000 }],
    [{ at: 0x900_8000, size: 0x800 }],
  ]);
  assertEquals(platform.devices.some(({ path }) => path.startsWith("/soc/sram@8000/")), false);
  assertEquals(platform.problems, ["/soc/far@fffff000: 1 of its addresses can't be reached by the CPU"]);
  assert(platform.report.some((line) => /unknown, absent +\/soc\/acme@3000 \(acme,anvil\)/.test(line)), platform.report.join("\n"));
});

Deno.test("what a blob doesn't say is said", () => {
  const { problems, memory } = readPlatform(
    blobOf(node("", wide, node("memory", { device_type: text("memory"), reg: cells(0, 0, 0, 0) }))),
  );
  assertEquals(memory, []);
  assertEquals(problems, [
    "no RAM: /memory is empty, the boot loader fills it in; the board's memory says it",
    "no CPUs",
    "no interrupt controller that is known here",
    "no PSCI: its CPUs start in another way",
  ]);
});

Deno.test("ranges that wrap, cells that lie and addresses beyond 48 bits give nothing", () => {
  const odd = (name: string, properties: Record<string, Uint8Array>) => node(name, { compatible: text("arm,pl011"), ...properties });
  const ones = cells(0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff);
  const platform = readPlatform(blobOf(machine(
    odd("a", { reg: ones }),
    odd("b", { reg: cells(0, 0) }),
    odd("c", { reg: new Uint8Array(0) }),
    node(
      "d",
      { compatible: text("simple-bus"), "#address-cells": cells(0), "#size-cells": cells(0), ranges: ones },
      odd("e", { reg: ones }),
    ),
    node("f", { compatible: text("simple-bus"), "#address-cells": cells(0xffff_ffff), ranges: ones }, odd("g", { reg: ones })),
    node("h", { compatible: text("bus-without-ranges"), ...bus }, odd("i", { reg: cells(0, 0x1000) })),
  )));
  for (const path of ["/a", "/b", "/c", "/d/e", "/f/g", "/h/i"]) assertEquals(find(platform, path).windows, [], path);
});

Deno.test("no blob: one kind of error, whatever it is", () => {
  const good = blobOf(machine());
  const bad = [
    new Uint8Array(0),
    new Uint8Array(100),
    good.subarray(0, good.length - 8),
    new TextEncoder().encode("/dts-v1/; / { };".repeat(9)),
  ];
  for (const bytes of bad) assertThrows(() => readPlatform(bytes), PlatformError, "the device tree blob can't be read");
});

/** Blobs by path below the package's `/usr/lib/linux-image-*`; undefined where there are none to be had. */
async function debianBlobs(): Promise<Map<string, Uint8Array> | undefined> {
  const cache = new ImageCache(cacheDirectory());
  const reference = `blobs of deb:${PACKAGE}`;
  let pack = await cache.read(reference);
  try {
    pack ??= await cache.exclusively(() => cache.temporary((directory) => download(cache, reference, directory)));
  } catch (error) {
    if (!(error instanceof ImageError) || Deno.env.get("CI") === "true") throw error;
    console.log(`skipped: no device tree blobs: ${error.message.split("\n")[0]}`);
    return undefined;
  }
  const headerBytes = new DataView(pack.buffer, pack.byteOffset).getUint32(0);
  const list: [path: string, size: number][] = JSON.parse(new TextDecoder().decode(pack.subarray(4, 4 + headerBytes)));
  const blobs = new Map<string, Uint8Array>();
  let at = 4 + headerBytes;
  for (const [path, size] of list) blobs.set(path, pack.subarray(at, at += size));
  return blobs;
}

async function download(cache: ImageCache, reference: string, directory: string): Promise<Uint8Array> {
  const deb = await new Apt(`${cache.root}/apt`, (line) => console.log(line)).download(PACKAGE, directory);
  const child = new Deno.Command("dpkg-deb", { args: ["--fsys-tarfile", deb], stdin: "null", stdout: "piped", stderr: "inherit" }).spawn();
  const found: [path: string, bytes: Uint8Array][] = [];
  const isBlob = ({ path, type }: { path: string; type: string }) => type === "file" && path.endsWith(".dtb");
  await readTar(child.stdout, isBlob, ({ path }, bytes) => found.push([path.replace(/.*\/linux-image-[^/]*\//, ""), bytes]));
  assert((await child.status).success);
  const header = new TextEncoder().encode(JSON.stringify(found.map(([path, bytes]) => [path, bytes.length])));
  const pack = new Uint8Array(
    await new Blob([cells(header.length), header, ...found.map(([, bytes]) => bytes)] as BlobPart[]).arrayBuffer(),
  );
  await cache.write(reference, pack, deb.replace(/.*\//, ""));
  return pack;
}

const blobs = await debianBlobs();
const needsBlobs = { ignore: blobs === undefined };

/** What holds for any platform, however odd its blob. */
function checkPlatform(path: string, { memory, reserved, devices, report, cpus }: Platform): void {
  const valid = ({ at, size }: PlatformRange) =>
    Number.isSafeInteger(at) && Number.isSafeInteger(size) && at >= 0 && size >= 0 && at + size <= 2 ** 48;
  for (const [index, bank] of memory.entries()) {
    const { at, size } = bank;
    assert(valid(bank) && size > 0 && at % PAGE_SIZE === 0 && size % PAGE_SIZE === 0, `${path}: bank ${hex(at)} ${hex(size)}`);
    if (index > 0) assert(memory[index - 1].at + memory[index - 1].size <= at, `${path}: banks out of order at ${hex(at)}`);
    for (const hole of reserved) assert(hole.at >= at + size || hole.at + hole.size <= at, `${path}: ${hole.name} is in a bank`);
  }
  for (const device of devices) assert(device.windows.every(valid), `${path}: ${device.path}`);
  assert(cpus >= 0 && cpus <= 64);
  assert(report.every((line) => line.length < 2000));
}

Deno.test({
  ...needsBlobs,
  name: "every blob of Debian's kernel package gives a map, or says why there is none",
  fn() {
    assert(blobs!.size > 500, `${blobs!.size} blobs`);
    const count = { ram: 0, noRam: 0, interrupts: 0, psci: 0, timers: 0, uarts: 0, sram: 0 };
    for (const [path, blob] of blobs!) {
      const platform = readPlatform(blob);
      checkPlatform(path, platform);
      const has = (role: string) => platform.devices.some((device) => device.role === role);
      if (platform.memory.length > 0) count.ram++;
      else {
        count.noRam++;
        assert(platform.problems.some((problem) => problem.startsWith("no RAM")), `${path} has no RAM and doesn't say so`);
      }
      assert(platform.cpus > 0, `${path} has no CPUs`);
      if (has("interrupt controller")) count.interrupts++;
      else assert(platform.problems.includes("no interrupt controller that is known here"), path);
      if (has("psci")) count.psci++;
      if (has("timer")) count.timers++;
      if (has("uart")) count.uarts++;
      if (has("sram")) count.sram++;
    }
    console.log(`${blobs!.size} blobs: ${JSON.stringify(count)}`);
    const most = blobs!.size * 0.95;
    assert(count.interrupts > most && count.timers > most && count.uarts > most, JSON.stringify(count));
  },
});

/** Changes some of the bytes: anywhere, to values that hurt, or whole words. */
function mutate(blob: Uint8Array, next: (below: number) => number): Uint8Array {
  const bytes = blob.slice(0, next(8) === 0 ? next(blob.length + 1) : blob.length);
  const hostile = [0, 1, 2, 3, 4, 9, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, blob.length];
  const view = new DataView(bytes.buffer);
  for (let changes = 1 + next(4) * next(4); changes > 0 && bytes.length >= 4; changes--) {
    const early = next(12) === 0 ? Math.min(64, bytes.length) : bytes.length;
    const at = next(early);
    if (next(2) === 0) bytes[at] = next(256);
    else view.setUint32(Math.min(at & ~3, bytes.length - 4), hostile[next(hostile.length)]);
  }
  return bytes;
}

Deno.test("a thousand broken blobs: a platform or a PlatformError, nothing else, and in time", () => {
  const next = randomBelow("damaged blobs");
  const small = [...blobs?.values() ?? []].filter(({ length }) => length < 60_000);
  const sources = [blobOf(machine()), ...small.filter((_, index) => index % 40 === 0)];
  let read = 0;
  for (let round = 0; round < 1000; round++) {
    const bytes = mutate(sources[round % sources.length], next);
    try {
      const began = performance.now();
      const platform = readPlatform(bytes);
      assert(performance.now() - began < 2000, `round ${round} takes too long`);
      checkPlatform(`round ${round}`, platform);
      read++;
    } catch (error) {
      if (!(error instanceof PlatformError)) throw new Error(`round ${round}`, { cause: error });
    }
  }
  assert(read > 100 && read < 1000, `${read} of 1000 could be read: too many or too few for a test of both`);
});

const board = (platform: string, memory: string) =>
  `board: test
platform: ${platform}
${memory}
plugins:
  - use: cpu_a64
  - use: vmsa
  - use: scheduler_null
domains:
  - name: a
    memory: [{ at: 0x4000_0000, size: 4MiB }]
`;

const read = () => Promise.resolve(readPlatform(blobOf(machine())));

async function check(manifest: string, readPlatform: (() => Promise<Platform>) | undefined = read) {
  const { board, findings } = await checkBoard(manifest, "board.yaml", { plugins, readPlatform });
  return { board, titles: findings.map(({ title, spans }) => `${spans[0]?.line}: ${title}`) };
}

Deno.test("a board takes its RAM and its CPUs from its platform", async () => {
  const { board: checked, titles } = await check(board("{ dtb: a.dtb }", ""));
  assertEquals(titles, []);
  assertEquals(checked!.memory, checked!.platform!.memory);
  assertEquals(checked!.pcpus, 1);
});

Deno.test("a board that says its RAM takes a part of its platform's", async () => {
  const inside = await check(board("{ dtb: a.dtb }", "memory: [{ at: 0x4000_0000, size: 64MiB }]"));
  assertEquals([inside.titles, inside.board?.memory], [[], [{ at: 0x4000_0000, size: 0x400_0000 }]]);
  const across = await check(board("{ dtb: a.dtb }", "memory: [{ at: 0x4700_0000, size: 64MiB }]"));
  assertEquals(across.titles, [
    "3: 0x4700_0000 to 0x4aff_ffff isn't RAM of Test machine: /reserved-memory/secure@48000000, no-map is reserved in it",
  ]);
});

Deno.test("what is wrong with a platform is found with its line", async () => {
  const rows: [platform: string, title: string, reader?: () => Promise<Platform>][] = [
    ["7", "2: platform is 7; want a mapping with dtb"],
    ["{ acpi: x, dtb: a }", "2: platform has no option acpi"],
    ["{}", "2: platform needs the option dtb"],
    ["{ dtb: 7 }", "2: dtb of platform is 7; want a file, an https: URL, deb:PACKAGE#PATH, a list of them or an initramfs"],
    [
      "{ dtb: a.dtb }",
      "2: dtb of platform: the device tree blob can't be read: not a flattened device tree: no magic d00dfeed",
      () => Promise.resolve(new Uint8Array(64)).then(readPlatform),
    ],
  ];
  for (const [platform, title, reader] of rows) {
    assertEquals((await check(board(platform, ""), reader)).titles, [title], platform);
  }
});

Deno.test("our own decoder and encoder agree on the test's machine", () => {
  const blob = blobOf(machine());
  assertEquals(encodeFdt(decodeFdt(blob)), blob);
});
