import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { Board, DomainContext, DomainSpec } from "../../core/mod.ts";
import { buildDeviceTree, cellOf, decodeFdt, encodeFdt, fdt, findNode, textOf } from "../fdt/mod.ts";
import { linuxBoot } from "./mod.ts";
import type { LinuxBootOptions } from "./mod.ts";

const tour = await Deno.readFile(new URL("../../examples/guests/tour/tour.bin", import.meta.url));
const RAM = { at: 0x4000_0000, size: 0x400_0000 };

/** Attaches `linux_boot` to a domain of nothing but memory, runs its boot hook, and tells what it did. */
function boot(images: Record<string, Uint8Array>, more: Partial<LinuxBootOptions> = {}) {
  const options: LinuxBootOptions = { kernel: "kernel", append: "console=ttyAMA0", format: "auto", ...more };
  const domain: DomainSpec = {
    name: "linux",
    vcpus: 1,
    memory: [RAM],
    plugins: [{ plugin: linuxBoot, options: options as unknown as Record<string, unknown>, path: [] }],
  };
  const board = { name: "test", seed: 0, plugins: [], domains: [domain] } as unknown as Board;
  const memory = new Uint8Array(RAM.size);
  const started: { entry: bigint; x0: bigint }[] = [];
  const hooks: (() => void)[] = [];
  let compiler: unknown;
  const context = {
    options,
    board,
    domain: {
      spec: domain,
      ram: [{ at: 0x8_0000_0000, size: RAM.size }, RAM],
      vcpus: [{ start: (entry: bigint, x0: bigint) => started.push({ entry, x0 }) }],
      writeMemory: (at: number, bytes: Uint8Array) => memory.set(bytes, at - RAM.at),
    },
    host: { image: (name: string) => images[name] },
    get: () => compiler,
    provide: (_key: unknown, value: unknown) => compiler = value,
    onBoot: (hook: () => void) => hooks.push(hook),
    fail: (option: string, message: string) => {
      throw new Error(`${option}: ${message}`);
    },
  } as unknown as DomainContext<LinuxBootOptions, undefined>;
  fdt.attach!({ ...context, options: { model: "m", kaslr_seed: false, rng_seed: false } } as never);
  linuxBoot.attach!(context);
  assertEquals(hooks.length, 1);
  hooks[0]();
  const at = (address: bigint | number) => memory.subarray(Number(address) - RAM.at);
  return { started, at, tree: () => decodeFdt(at(started[0].x0)).root };
}

Deno.test("the kernel lies at the start of the lowest RAM bank; vCPU 0 starts there with X0 at the device tree", () => {
  const { started, at, tree } = boot({ kernel: tour });
  assertEquals(started.length, 1);
  assertEquals(started[0].entry, 0x4000_0000n);
  assertEquals(started[0].x0 % 0x20_0000n, 0n);
  assertEquals(at(started[0].entry).slice(0, tour.length), tour);
  const chosen = findNode(tree(), "/chosen")!;
  assertEquals(textOf(chosen, "bootargs"), ["console=ttyAMA0"]);
  assertEquals(chosen.properties.has("linux,initrd-start"), false);
});

Deno.test("the device tree tells the kernel where the initrd lies", () => {
  const initrd = new Uint8Array(5001).fill(0x33);
  const { at, tree } = boot({ kernel: tour, disk: initrd }, { initrd: "disk" });
  const chosen = findNode(tree(), "/chosen")!;
  const address = (name: string) => {
    const bytes = chosen.properties.get(name)!;
    return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0));
  };
  const start = address("linux,initrd-start");
  assertEquals(start % 4096, 0);
  assertEquals(address("linux,initrd-end") - start, initrd.length);
  assertEquals(at(start).slice(0, initrd.length), initrd);
});

Deno.test("a device tree of the user's gets the command line, and keeps what it says", () => {
  const property = (text: string) => new TextEncoder().encode(`${text}\0`);
  const own = encodeFdt({
    root: {
      name: "",
      properties: new Map([["model", property("mine")]]),
      children: [{ name: "chosen", properties: new Map([["bootargs", property("old")]]), children: [] }],
    },
    reserved: [{ at: 0x4300_0000n, size: 0x1000n }],
    bootCpu: 0,
  });
  const { tree } = boot({ kernel: tour, own }, { dtb: "own" });
  assertEquals(textOf(tree(), "model"), ["mine"]);
  assertEquals(textOf(findNode(tree(), "/chosen")!, "bootargs"), ["console=ttyAMA0"]);
  assertEquals(findNode(tree(), "/memory@40000000"), undefined);
});

const faults: [string, Record<string, Uint8Array>, Partial<LinuxBootOptions>, string][] = [
  ["the kernel", { kernel: new Uint8Array(100).fill(0x41) }, {}, "kernel: not an arm64 kernel: it is a text file"],
  ["the initrd", { kernel: tour, disk: new Uint8Array(63 << 20) }, { initrd: "disk" }, "initrd: the initrd of 63.0 MiB"],
  ["an address", { kernel: tour, disk: new Uint8Array(9) }, { initrd: "disk", initrd_at: 0x4000_1000 }, "initrd_at: the initrd"],
  ["the blob", { kernel: tour, own: tour }, { dtb: "own" }, "dtb: not a flattened device tree"],
];
for (const [name, images, more, message] of faults) {
  Deno.test(`an error points at ${name}`, () => assertStringIncludes(assertThrows(() => boot(images, more), Error).message, message));
}

Deno.test("printing the tree without booting shows the command line", () => {
  const plugins = [{ plugin: linuxBoot, options: { append: "quiet" }, path: [] }];
  const board = { name: "test", seed: 0, plugins: [], domains: [] } as unknown as Board;
  const root = decodeFdt(buildDeviceTree(board, { name: "linux", vcpus: 2, memory: [RAM], plugins }, [])).root;
  assertEquals(textOf(findNode(root, "/chosen")!, "bootargs"), ["quiet"]);
  assertEquals(cellOf(findNode(root, "/cpus/cpu@1")!, "reg"), 1);
});
