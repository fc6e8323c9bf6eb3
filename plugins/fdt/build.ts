/** The device tree of a domain, from the board and what its plugins declare. Pure: no plugin's set-up runs. */
import type { Board, DeviceTreeFragment, DeviceTreeNode, DeviceTreeValue, DomainSpec } from "../../core/mod.ts";
import { encodeFdt } from "./blob.ts";
import { compile } from "./compile.ts";
import { cellOf, findNode, textOf, walk } from "./node.ts";
import type { FdtNode } from "./node.ts";
import { seedBytes } from "./seed.ts";

/** Options of the `fdt` plugin. */
export interface FdtOptions {
  readonly model: string;
  readonly kaslr_seed: boolean;
  readonly rng_seed: boolean;
}

/**
 * MPIDR_EL1 affinity of a vCPU: at most 16 per Aff1, because ICC_SGI1R_EL1's
 * target list reaches 16 CPUs without range selectors.
 */
export function affinityOf(index: number): number {
  return (index & 15) | (index >> 4) << 8;
}

function declared(board: Board, domain: DomainSpec): DeviceTreeFragment[] {
  return [...board.plugins, ...domain.plugins].flatMap((use) => use.plugin.resources?.(use.options, { board, domain }).deviceTree ?? []);
}

/** `cortex-a57` of the CPU engine's options; engines without a model are just Armv8. */
function cpuCompatible(board: Board): string {
  const model = board.plugins.map((use) => use.options.model).find((model) => typeof model === "string" && model.startsWith("cortex-"));
  return typeof model === "string" ? `arm,${model}` : "arm,armv8";
}

function cpus(board: Board, domain: DomainSpec, psci: boolean): DeviceTreeNode {
  const compatible = cpuCompatible(board);
  const enable: Record<string, DeviceTreeValue> = psci ? { "enable-method": { text: "psci" } } : {};
  return {
    name: "cpus",
    properties: { "#address-cells": { cells: [1] }, "#size-cells": { cells: [0] } },
    children: Array.from({ length: domain.vcpus }, (_, index) => ({
      name: `cpu@${affinityOf(index).toString(16)}`,
      properties: {
        device_type: { text: "cpu" },
        compatible: { text: compatible },
        reg: { reg: [[affinityOf(index), 0]] as const },
        ...enable,
      },
    })),
  };
}

/** What every domain has, whatever plugins it uses. */
function basics(board: Board, domain: DomainSpec, options: FdtOptions, psci: boolean): DeviceTreeFragment[] {
  const chosen: Record<string, DeviceTreeValue> = {};
  if (options.kaslr_seed) chosen["kaslr-seed"] = { bytes: seedBytes(`${board.seed} ${domain.name} kaslr-seed`, 8) };
  if (options.rng_seed) chosen["rng-seed"] = { bytes: seedBytes(`${board.seed} ${domain.name} rng-seed`, 32) };
  return [
    {
      under: "/",
      properties: {
        "#address-cells": { cells: [2] },
        "#size-cells": { cells: [2] },
        compatible: { text: "linux,dummy-virt" },
        model: { text: options.model },
      },
      nodes: [
        { name: "chosen", properties: chosen },
        cpus(board, domain, psci),
        ...domain.memory.map(({ at, size }) => ({
          name: `memory@${at.toString(16)}`,
          properties: { device_type: { text: "memory" }, reg: { reg: [[at, size]] as const } },
        })),
      ],
    },
  ];
}

/** Names the first UART in /chosen and /aliases, unless a plugin has done so. */
function nameConsole(root: FdtNode): void {
  const uart = [...walk(root)].find(({ node }) =>
    textOf(node, "compatible").some((name) => ["arm,pl011", "arm,sbsa-uart", "ns16550a"].includes(name))
  );
  if (!uart) return;
  const path = new TextEncoder().encode(`${uart.path}\0`);
  const chosen = findNode(root, "/chosen")!;
  if (!chosen.properties.has("stdout-path")) chosen.properties.set("stdout-path", path);
  if (!findNode(root, "/aliases")) {
    const before = root.children.indexOf(chosen);
    root.children.splice(before, 0, { name: "aliases", properties: new Map([["serial0", path]]), children: [] });
  }
}

/**
 * The blob of a domain: what its plugins declare, `/memory`, `/cpus` and `/chosen`, and `extra`.
 * Throws a `DeviceTreeError` when declarations contradict one another.
 */
export function buildDeviceTree(
  board: Board,
  domain: DomainSpec,
  extra: readonly DeviceTreeFragment[],
  options: FdtOptions = optionsOf(board, domain),
): Uint8Array {
  const fragments = [...declared(board, domain), ...extra];
  const declares = (parent: string, is: (node: DeviceTreeNode) => boolean) =>
    fragments.some(({ under, nodes }) => under === parent && nodes?.some(is));
  // A board may start its CPUs in another way and keep PSCI to switch itself off.
  const psci = declares("/", ({ name }) => name === "psci") && !declares("/cpus", ({ properties }) => "enable-method" in properties);
  const root = compile([...basics(board, domain, options, psci), ...fragments]);
  nameConsole(root);
  const first = findNode(root, "/cpus")?.children[0];
  return encodeFdt({ root, reserved: [], bootCpu: first ? cellOf(first, "reg") ?? 0 : 0 });
}

/** The domain's own options for the compiler, or the defaults where the manifest doesn't use it. */
function optionsOf(board: Board, domain: DomainSpec): FdtOptions {
  const use = [...domain.plugins, ...board.plugins].find(({ plugin }) => plugin.name === "fdt");
  return { model: "Plugboard", kaslr_seed: false, rng_seed: true, ...use?.options as Partial<FdtOptions> };
}
