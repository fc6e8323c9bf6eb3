/** What this program needs of its host, checked by trying. Each check says what it found, and what to do where that isn't enough. */
import { printSize } from "../../core/mod.ts";
import type { DoctorHost } from "./host.ts";

/** What a check found. */
export interface Diagnosis {
  /** `deno`, `memory`. */
  readonly name: string;
  /** `fail`: boards don't run. `warn`: some don't, or slowly. `note`: nothing that running a board needs. */
  readonly result: "ok" | "note" | "warn" | "fail";
  /** What was found. */
  readonly found: string;
  /** What to do about it; absent when there is nothing to do. */
  readonly help?: string;
}

/** Below this, WebAssembly lacks something, or Workers can't have permissions. */
const DENO: readonly [number, number] = [2, 9];
/** What the larger example boards take: the guest's RAM, generated code and Deno itself. */
const MEMORY_BYTES = 1.5 * 2 ** 30;
const WASM_PAGE_BYTES = 65536;

/** Programs that only some things need: what for, and Debian's package that has them. */
const programs: readonly { readonly name: string; readonly use: string; readonly from: string }[] = [
  { name: "apt-get", use: "images named deb:PACKAGE", from: "apt" },
  { name: "dpkg-deb", use: "images named deb:PACKAGE", from: "dpkg" },
  { name: "qemu-system-aarch64", use: "tests that compare with QEMU", from: "qemu-system-arm" },
  { name: "qemu-aarch64-static", use: "tests that compare with QEMU", from: "qemu-user-static" },
  { name: "aarch64-linux-gnu-as", use: "tests that assemble guests", from: "gcc-aarch64-linux-gnu" },
  { name: "dtc", use: "tests of device trees", from: "device-tree-compiler" },
  { name: "qemu-img", use: "tests of disk images", from: "qemu-utils" },
  { name: "mkfs.ext4", use: "the verb disk", from: "e2fsprogs" },
];

/** Every check, in the order in which they matter. Never throws for what the host lacks. */
export async function examine(host: DoctorHost): Promise<Diagnosis[]> {
  return [
    deno(host),
    memory(host),
    sharedMemory(host),
    processors(host),
    await workerOptions(host),
    await cache(host),
    ...await tools(host),
  ];
}

function deno({ denoVersion }: DoctorHost): Diagnosis {
  const [major = 0, minor = 0] = denoVersion.split(".").map(Number);
  const recent = major > DENO[0] || major === DENO[0] && minor >= DENO[1];
  const found = `Deno ${denoVersion}`;
  if (recent) return { name: "deno", result: "ok", found };
  return { name: "deno", result: "fail", found, help: `want Deno ${DENO.join(".")} or newer: deno upgrade, or npx -y deno` };
}

function memory({ availableMemoryBytes }: DoctorHost): Diagnosis {
  const name = "memory";
  if (availableMemoryBytes === undefined) return { name, result: "note", found: "the host doesn't say how much is free" };
  const found = `${printSize(Math.floor(availableMemoryBytes / 2 ** 20) * 2 ** 20)} free`;
  if (availableMemoryBytes >= MEMORY_BYTES) return { name, result: "ok", found };
  return {
    name,
    result: "warn",
    found,
    help: `a board with 640 MiB of RAM takes up to ${printSize(MEMORY_BYTES)}; give it less with --memory`,
  };
}

function sharedMemory(host: DoctorHost): Diagnosis {
  const name = "webassembly";
  for (const bytes of [2 ** 32, 2 ** 30, 2 ** 28]) {
    if (!host.canShare(bytes / WASM_PAGE_BYTES)) continue;
    const found = `shared memories of ${printSize(bytes)}`;
    return bytes === 2 ** 32 ? { name, result: "ok", found } : {
      name,
      result: "warn",
      found,
      help: "larger boards don't fit: look for a limit of virtual memory (ulimit -v)",
    };
  }
  return {
    name,
    result: "fail",
    found: "no shared memory",
    help: "all RAM of a board lies in one: look for a limit of virtual memory (ulimit -v)",
  };
}

function processors({ processors }: DoctorHost): Diagnosis {
  return { name: "processors", result: "ok", found: String(processors) };
}

async function workerOptions(host: DoctorHost): Promise<Diagnosis> {
  const name = "workers";
  if (await host.workersHavePermissions()) return { name, result: "ok", found: "with permissions of their own" };
  return {
    name,
    result: "warn",
    found: "without permissions of their own",
    help: 'devices behind IOREQ need them: add "unstable": ["worker-options"] to deno.json, or run with --unstable-worker-options',
  };
}

async function cache(host: DoctorHost): Promise<Diagnosis> {
  const name = "cache";
  const problem = await host.writeProblem(host.cacheDirectory);
  if (problem === undefined) {
    return { name, result: "ok", found: `${host.cacheDirectory}: images, and compiled code of guests; whatever is deleted is made again` };
  }
  return {
    name,
    result: "warn",
    found: `${host.cacheDirectory} can't be written: ${problem}`,
    help: "images that are fetched need it: set PLUGBOARD_CACHE to a folder of yours",
  };
}

async function tools(host: DoctorHost): Promise<Diagnosis[]> {
  const there = await Promise.all(programs.map(({ name }) => host.hasProgram(name)));
  return programs.map(({ name, use, from }, index): Diagnosis =>
    there[index]
      ? { name, result: "ok", found: `here, for ${use}` }
      : { name, result: "note", found: `not here, for ${use}`, help: `apt-get install ${from}` }
  );
}
