/** What stands where on a board, as data: the physical addresses, and each domain's addresses and interrupts. No plugin is set up. */
import { Interrupts } from "../../core/mod.ts";
import type { Board, DeviceTreeNode, DomainSpec, PluginUse, Resources } from "../../core/mod.ts";

/** What a range is to who reaches for it. */
export type RangeKind =
  /** Memory. */
  | "ram"
  /** Each access is an exit, which a plugin answers. */
  | "trapped"
  /** The guest reaches it without an exit. */
  | "mapped"
  /** A device on the board's bus. */
  | "device"
  /** The platform keeps it for others. */
  | "reserved";

/** A range of addresses with its owner. */
export interface MapRange {
  readonly at: number;
  /** Bytes. */
  readonly size: number;
  readonly kind: RangeKind;
  /** `gicv3 (distributor)`. */
  readonly label: string;
  /** What there is to say besides; may be empty. */
  readonly detail: string;
}

/** An interrupt with the one who drives it. */
export interface MapInterrupt {
  readonly intid: number;
  readonly trigger: "level" | "edge";
  /** As in {@linkcode MapRange}, so that both can be joined: without the part in brackets. */
  readonly device: string;
  /** First address of the device that drives it; absent for one without a window. */
  readonly at?: number;
}

/** An address space. */
export interface MapSpace {
  readonly title: string;
  /** By address. */
  readonly ranges: readonly MapRange[];
  /** By INTID. */
  readonly interrupts: readonly MapInterrupt[];
  /** The interrupt controller; absent where there is none. */
  readonly controller?: string;
}

/** The physical addresses first, then the domains in the manifest's order. The board has been checked. */
export function mapOf(board: Board): MapSpace[] {
  return [physical(board), ...board.domains.map((domain) => domainSpace(board, domain))];
}

const byAddress = (a: MapRange, b: MapRange) => a.at - b.at || b.size - a.size;

function labelled({ plugin }: PluginUse, name: string): string {
  return name === "" || name === plugin.name ? plugin.name : `${plugin.name} (${name})`;
}

function physical(board: Board): MapSpace {
  const ranges: MapRange[] = board.memory.map(({ at, size }) => ({ at, size, kind: "ram", label: "RAM", detail: "" }));
  for (const { at, size, name } of board.platform?.reserved ?? []) {
    ranges.push({ at, size, kind: "reserved", label: name, detail: "reserved" });
  }
  for (const use of board.plugins) {
    const { windows = [], memory = [] } = use.plugin.resources?.(use.options, { board }) ?? {};
    for (const { name, at, size } of windows) ranges.push({ at, size, kind: "device", label: labelled(use, name), detail: "" });
    for (const { name, at, size } of memory) ranges.push({ at, size, kind: "ram", label: labelled(use, name), detail: "" });
  }
  return { title: "physical addresses", ranges: ranges.sort(byAddress), interrupts: [] };
}

function domainSpace(board: Board, domain: DomainSpec): MapSpace {
  const ranges: MapRange[] = domain.memory.map(({ at, size }) => ({ at, size, kind: "ram", label: "RAM", detail: "" }));
  const interrupts: MapInterrupt[] = [];
  let controller: string | undefined;
  for (const use of [...board.plugins, ...domain.plugins]) {
    if (use.plugin.provides?.some(({ name }) => name === Interrupts.name)) controller = use.plugin.name;
    const resources = use.plugin.resources?.(use.options, { board, domain }) ?? {};
    const windows = resources.windows ?? [];
    for (const { name, at, size, mapping } of windows) {
      const rights = mapping && `${mapping.read ? "r" : "-"}${mapping.write ? "w" : "-"}${mapping.execute ? "x" : "-"} ${mapping.type}`;
      ranges.push({ at, size, kind: mapping ? "mapped" : "trapped", label: labelled(use, name), detail: rights ?? "" });
    }
    const at = windows.length ? Math.min(...windows.map((window) => window.at)) : undefined;
    for (const { intid, trigger } of driven(resources)) interrupts.push({ intid, trigger, device: use.plugin.name, at });
  }
  const vcpus = `${domain.vcpus} vCPU${domain.vcpus === 1 ? "" : "s"}`;
  return {
    title: `domain ${domain.name}, ${vcpus}`,
    ranges: ranges.sort(byAddress),
    interrupts: interrupts.sort((a, b) => a.intid - b.intid),
    controller,
  };
}

/** What a plugin says that it drives; where it says nothing, what its device tree nodes say (a timer's private interrupts). */
function driven({ interrupts = [], deviceTree = [] }: Resources): { intid: number; trigger: "level" | "edge" }[] {
  const found = new Map(interrupts.map(({ intid, trigger }) => [intid, { intid, trigger }]));
  const visit = ({ properties, children = [] }: DeviceTreeNode) => {
    for (const value of Object.values(properties)) {
      if (typeof value === "object" && "interrupts" in value) {
        for (const { intid, trigger } of value.interrupts) if (!found.has(intid)) found.set(intid, { intid, trigger });
      }
    }
    children.forEach(visit);
  };
  for (const { nodes = [] } of deviceTree) nodes.forEach(visit);
  return [...found.values()];
}
