import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { dtc, missing } from "../../tests/support/toolchain.ts";
import { definePlugin } from "../../core/mod.ts";
import type { Board, DeviceTreeFragment, DeviceTreeNode, DomainSpec, Plugin, PluginUse } from "../../core/mod.ts";
import { buildDeviceTree } from "./build.ts";
import { decodeFdt, encodeFdt } from "./blob.ts";
import { compile, overlay } from "./compile.ts";
import { cellOf, DeviceTreeError, findNode, textOf } from "./node.ts";
import { printDeviceTree } from "./print.ts";
import fdt from "./mod.ts";
import { randomBelow } from "../../tests/support/random.ts";

/** A plugin that declares nodes and refuses to run. */
function declares(name: string, nodes: DeviceTreeNode[], fragments: DeviceTreeFragment[] = []): Plugin {
  return definePlugin({
    name,
    doc: "",
    options: {},
    resources: () => ({ deviceTree: [{ under: "/", nodes }, ...fragments] }),
    attach: () => {
      throw new Error("building a device tree must not run plugins");
    },
  });
}

const gic = declares("gic", [{
  name: "interrupt-controller@8000000",
  label: "gic",
  properties: {
    compatible: { text: "arm,gic-v3" },
    reg: { reg: [[0x800_0000, 0x1_0000], [0x80a_0000, 0xf6_0000]] },
    "interrupt-controller": true,
    "#interrupt-cells": { cells: [3] },
    "#address-cells": { cells: [2] },
    "#size-cells": { cells: [2] },
    ranges: true,
  },
}]);
const psci = declares("psci", [{
  name: "psci",
  properties: { compatible: { text: ["arm,psci-1.0", "arm,psci-0.2"] }, method: { text: "hvc" } },
}]);
const timer = declares("timer", [{
  name: "timer",
  properties: {
    compatible: { text: "arm,armv8-timer" },
    interrupts: { interrupts: [29, 30, 27, 26].map((intid) => ({ intid, trigger: "level" as const })) },
  },
}]);
const uart = declares("uart", [
  {
    name: "apb-pclk",
    label: "clk",
    properties: { compatible: { text: "fixed-clock" }, "#clock-cells": { cells: [0] }, "clock-frequency": { cells: [24_000_000] } },
  },
  {
    name: "pl011@9000000",
    properties: {
      compatible: { text: ["arm,pl011", "arm,primecell"] },
      reg: { reg: [[0x900_0000, 0x1000]] },
      interrupts: { interrupts: [{ intid: 33, trigger: "level" }, { intid: 40, trigger: "edge" }] },
      clocks: { cells: ["&clk", "&clk"] },
      "clock-names": { text: ["uartclk", "apb_pclk"] },
    },
  },
]);

const use = (plugin: Plugin, options: Record<string, unknown> = {}): PluginUse => ({ plugin, options, path: [] });

function boardOf(vcpus: number, memory: DomainSpec["memory"], domainPlugins: PluginUse[]): { board: Board; domain: DomainSpec } {
  const domain: DomainSpec = { name: "linux", vcpus, memory, plugins: domainPlugins };
  const board = {
    name: "test",
    doc: "",
    file: "test.yaml",
    seed: 1,
    time: "virtual",
    nsPerInstruction: 1,
    pcpus: 2,
    memory: [{ at: 0x4000_0000, size: 2 ** 30 }],
    plugins: [use(definePlugin({ name: "cpu_a64", doc: "", options: {} }), { model: "cortex-a57" }), use(gic), use(timer), use(psci)],
    domains: [domain],
  } as Board;
  return { board, domain };
}

const { board, domain } = boardOf(18, [{ at: 0x4000_0000, size: 0x2000_0000 }, { at: 0x8_8000_0000, size: 0x1_0000_0000 }], [
  use(uart),
  use(fdt, { model: "Plugboard", kaslr_seed: false, rng_seed: true }),
]);
const extra: DeviceTreeFragment[] = [{ under: "/chosen", properties: { bootargs: { text: "console=ttyAMA0" } } }];
const blob = buildDeviceTree(board, domain, extra);
const root = decodeFdt(blob).root;

const cells = (path: string, property: string) => {
  const bytes = findNode(root, path)!.properties.get(property)!;
  return Array.from({ length: bytes.length / 4 }, (_, index) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(index * 4));
};

Deno.test("interrupts become GIC cells: PPIs from 16, SPIs from 32, level 4, edge 1", () => {
  assertEquals(cells("/timer", "interrupts"), [1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4]);
  assertEquals(cells("/pl011@9000000", "interrupts"), [0, 1, 4, 0, 8, 1]);
});

Deno.test("a GICv2's PPIs say which CPUs they are of", () => {
  const cpu = (n: number): DeviceTreeNode => ({ name: `cpu@${n}`, properties: {} });
  const gic: DeviceTreeNode["properties"] = {
    compatible: { text: ["arm,gic-400", "arm,cortex-a15-gic"] },
    "interrupt-controller": true,
    "#interrupt-cells": { cells: [3] },
  };
  const root = compile([
    { under: "/cpus", nodes: [cpu(0), cpu(1), cpu(2)] },
    node("gic", gic),
    node("timer", { interrupts: { interrupts: [{ intid: 27, trigger: "level" }, { intid: 40, trigger: "edge" }] } }),
  ]);
  const bytes = findNode(root, "/timer")!.properties.get("interrupts")!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  assertEquals(Array.from({ length: 6 }, (_, n) => view.getUint32(4 * n)), [1, 11, 0x704, 0, 8, 1]);
});

Deno.test("labels become phandles, and the root's interrupt parent is the controller", () => {
  const phandle = cellOf(findNode(root, "/interrupt-controller@8000000")!, "phandle");
  assert(phandle);
  assertEquals(cellOf(root, "interrupt-parent"), phandle);
  const clock = cellOf(findNode(root, "/apb-pclk")!, "phandle")!;
  assert(clock !== phandle);
  assertEquals(cells("/pl011@9000000", "clocks"), [clock, clock]);
});

Deno.test("reg follows the parent's cell counts, above 4 GiB as well", () => {
  assertEquals(cells("/memory@880000000", "reg"), [8, 0x8000_0000, 1, 0]);
  assertEquals(cells("/cpus/cpu@101", "reg"), [0x101]);
});

Deno.test("every vCPU has a node with its affinity, its model and PSCI", () => {
  const cpus = findNode(root, "/cpus")!;
  assertEquals(cpus.children.length, 18);
  assertEquals(cpus.children[16].name, "cpu@100");
  assertEquals(textOf(cpus.children[17], "compatible"), ["arm,cortex-a57"]);
  assertEquals(textOf(cpus.children[17], "enable-method"), ["psci"]);
});

Deno.test("chosen holds the command line, the console and entropy, but no KASLR seed unless asked", () => {
  const chosen = findNode(root, "/chosen")!;
  assertEquals(textOf(chosen, "bootargs"), ["console=ttyAMA0"]);
  assertEquals(textOf(chosen, "stdout-path"), ["/pl011@9000000"]);
  assertEquals(textOf(findNode(root, "/aliases")!, "serial0"), ["/pl011@9000000"]);
  assertEquals(chosen.properties.get("rng-seed")?.length, 32);
  assertEquals(chosen.properties.has("kaslr-seed"), false);
  const seeded = decodeFdt(buildDeviceTree(board, domain, [], { model: "", kaslr_seed: true, rng_seed: false })).root;
  assertEquals(findNode(seeded, "/chosen")!.properties.get("kaslr-seed")?.length, 8);
  assertEquals(buildDeviceTree(board, domain, extra), blob, "the same board gives the same blob");
});

async function runDtc(input: Uint8Array, from: string, to: string): Promise<{ text: Uint8Array; warnings: string }> {
  const child = new Deno.Command("dtc", { args: ["-I", from, "-O", to, "-s"], stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(input as Uint8Array<ArrayBuffer>);
  await writer.close();
  const { stdout, stderr } = await child.output();
  return { text: stdout, warnings: new TextDecoder().decode(stderr) };
}

Deno.test({
  name: "dtc reads the blob without a warning, and our printed source compiles to the same tree",
  ignore: missing(dtc),
  async fn() {
    const ours = await runDtc(blob, "dtb", "dts");
    assertEquals(ours.warnings, "");
    const printed = new TextEncoder().encode(printDeviceTree(blob));
    const again = await runDtc(printed, "dts", "dtb");
    // Printed phandles are plain numbers; dtc would like references there.
    assertEquals(again.warnings.replaceAll(/.*is not a phandle reference\n/g, ""), "");
    const compiled = await runDtc(again.text, "dtb", "dts");
    assertEquals(new TextDecoder().decode(compiled.text), new TextDecoder().decode(ours.text));
  },
});

const node = (name: string, properties: DeviceTreeNode["properties"], label?: string): DeviceTreeFragment => ({
  under: "/",
  nodes: [{ name, properties, label }],
});

const contradictions: [string, DeviceTreeFragment[], string][] = [
  ["a label that nobody has", [node("a", { x: { cells: ["&nowhere"] } })], '/a: no node has the label that "&nowhere" refers to'],
  ["a label twice", [node("a", {}, "l"), node("b", {}, "l")], "the label l is on /a and on /b"],
  [
    "a property with two values",
    [node("a", { x: { cells: [1] } }), node("a", { x: { cells: [2] } })],
    "/a: two plugins give the property x",
  ],
  [
    "interrupts without a controller",
    [node("a", { interrupts: { interrupts: [{ intid: 33, trigger: "level" }] } })],
    "no plugin declares an interrupt controller",
  ],
  ["an address too wide for its cells", [
    { under: "/", properties: { "#address-cells": { cells: [1] } } },
    node("a", { reg: { reg: [[2 ** 33, 1]] } }),
  ], "/a: reg: 0x200000000 doesn't fit one cell"],
  ["a cell of more than 32 bits", [node("a", { x: { cells: [2 ** 32] } })], "/a: x: 4294967296 is no 32-bit cell"],
  ["a bad name", [node("a/b", {})], "/a/b: not a node name"],
];
for (const [name, fragments, message] of contradictions) {
  Deno.test(`refuses ${name}`, () => {
    const error = assertThrows(() => compile(fragments), DeviceTreeError);
    assertStringIncludes(error.message, message);
  });
}

Deno.test("the same property with the same value is no contradiction", () => {
  const tree = compile([node("a", { x: { text: "v" } }), node("a", { x: { text: "v" } })]);
  assertEquals(tree.children.length, 1);
});

Deno.test("an overlay replaces properties of a blob and keeps the rest", () => {
  const tree = decodeFdt(blob);
  overlay(tree.root, [{ under: "/chosen", properties: { bootargs: { text: "quiet" } } }]);
  const changed = decodeFdt(encodeFdt(tree)).root;
  assertEquals(textOf(findNode(changed, "/chosen")!, "bootargs"), ["quiet"]);
  assertEquals(textOf(findNode(changed, "/chosen")!, "stdout-path"), ["/pl011@9000000"]);
});

Deno.test("a damaged blob is an error, never a crash or a hang", () => {
  let refused = 0;
  const random = randomBelow("damaged tree");
  for (let round = 0; round < 2000; round++) {
    const damaged = blob.slice(0, round % 4 === 0 ? random(blob.length) : blob.length);
    for (let n = 0; n < 4 && damaged.length > 0; n++) damaged[random(Math.min(damaged.length, 400))] = random(256);
    try {
      decodeFdt(damaged);
    } catch (error) {
      assert(error instanceof DeviceTreeError, String(error));
      refused++;
    }
  }
  assert(refused > 500, `only ${refused} refused`);
});
