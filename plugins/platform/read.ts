/**
 * From a device tree blob to a platform: RAM and what is reserved of it, CPUs, and devices by what they are to a hypervisor.
 *
 * The blob may be broken or hostile: whatever it says, the result is a platform or a `PlatformError`.
 */
import { hex, PAGE_SIZE, PlatformError } from "../../core/mod.ts";
import type { Platform, PlatformDevice, PlatformRange } from "../../core/mod.ts";
import { cellOf, decodeFdt, DeviceTreeError, findNode, textOf } from "../fdt/contract.ts";
import type { Fdt, FdtNode } from "../fdt/contract.ts";
import { registerRanges, subtract } from "./addresses.ts";
import type { Ancestors } from "./addresses.ts";
import { report } from "./report.ts";
import { roleOf } from "./roles.ts";

/** Where banks end: what a wrong blob says beyond is no RAM. */
const LIMIT = 2 ** 48;
/** A machine with more CPUs is known by this many. */
const MAX_CPUS = 64;

type Named = PlatformRange & { readonly name: string };

/** Reads a blob. Throws a {@linkcode PlatformError} and nothing else. */
export function readPlatform(blob: Uint8Array): Platform {
  let fdt: Fdt;
  try {
    fdt = decodeFdt(blob);
  } catch (error) {
    if (error instanceof DeviceTreeError) throw new PlatformError(`the device tree blob can't be read: ${error.message}`);
    throw error;
  }
  return new Reader(fdt).platform();
}

/** Switched on. Devicetree Specification, "status". */
function isEnabled(node: FdtNode): boolean {
  const [status] = textOf(node, "status");
  return status === undefined || status === "okay" || status === "ok";
}

class Reader {
  readonly #problems: string[] = [];

  constructor(readonly fdt: Fdt) {}

  platform(): Platform {
    const { root } = this.fdt;
    const banks = this.#banks(root);
    const reserved = this.#reserved(root);
    const facts = {
      model: textOf(root, "model")[0] || textOf(root, "compatible")[0] || "a machine without a name",
      cpus: this.#cpus(root),
      memory: subtract(banks, reserved, PAGE_SIZE),
      reserved,
      devices: [...this.#devices(root, [], "")],
      problems: this.#problems,
    };
    if (!facts.devices.some(({ role }) => role === "interrupt controller")) {
      this.#problems.push("no interrupt controller that is known here");
    }
    if (!facts.devices.some(({ role }) => role === "psci")) this.#problems.push("no PSCI: its CPUs start in another way");
    return { ...facts, report: report(facts) };
  }

  /** RAM. The boot loader fills in what a blob leaves out. Devicetree Specification, "/memory node". */
  #banks(root: FdtNode): PlatformRange[] {
    const nodes = root.children.filter((node) => textOf(node, "device_type")[0] === "memory" && isEnabled(node));
    const banks = nodes.flatMap((node) => registerRanges(node, [root]).ranges).filter(({ size }) => size > 0);
    if (banks.length === 0) {
      this.#problems.push(
        `no RAM: ${
          nodes.length ? `/${nodes[0].name} is empty, the boot loader fills it in` : "no memory node"
        }; the board's memory says it`,
      );
    }
    return banks;
  }

  /** The memory reservation block, and the children of /reserved-memory that have an address. */
  #reserved(root: FdtNode): Named[] {
    const found: Named[] = [];
    for (const [index, { at, size }] of this.fdt.reserved.entries()) {
      if (at + size > LIMIT) this.#problems.push(`/memreserve/ ${index} ends above 2^48`);
      else if (size > 0) found.push({ name: `/memreserve/ ${index}`, at: Number(at), size: Number(size) });
    }
    const parent = findNode(root, "/reserved-memory");
    for (const node of parent?.children ?? []) {
      if (!isEnabled(node)) continue;
      const { ranges, unreachable } = registerRanges(node, [root, parent!]);
      if (unreachable > 0) this.#problems.push(`/reserved-memory/${node.name} has an address that no range of its parent covers`);
      const noMap = node.properties.has("no-map") ? ", no-map" : "";
      found.push(...ranges.filter(({ size }) => size > 0).map((range) => ({ name: `/reserved-memory/${node.name}${noMap}`, ...range })));
    }
    return found;
  }

  #cpus(root: FdtNode): number {
    const nodes = findNode(root, "/cpus")?.children ?? [];
    const cpus = nodes.filter((node) => textOf(node, "device_type")[0] === "cpu" || node.name.startsWith("cpu@")).length;
    if (cpus === 0) this.#problems.push("no CPUs");
    if (cpus > MAX_CPUS) this.#problems.push(`${cpus} CPUs; ${MAX_CPUS} are taken`);
    return Math.min(cpus, MAX_CPUS);
  }

  /** Everything with a `compatible` that is switched on: parents first, and nothing below what is off. */
  *#devices(node: FdtNode, ancestors: Ancestors, path: string): Generator<PlatformDevice> {
    for (const child of node.children) {
      const at = `${path}/${child.name}`;
      if (path === "" && /^(cpus|chosen|aliases|reserved-memory|memory|__symbols__)(@|$)/.test(child.name)) continue;
      if (!isEnabled(child)) continue;
      const compatible = textOf(child, "compatible");
      const within = [...ancestors, node];
      const role = roleOf(compatible);
      if (compatible.length > 0) yield this.#device(child, within, at);
      // What lies within an SRAM is part of it.
      if (role?.role !== "sram") yield* this.#devices(child, within, at);
    }
  }

  #device(node: FdtNode, ancestors: Ancestors, path: string): PlatformDevice {
    const compatible = textOf(node, "compatible");
    const role = roleOf(compatible);
    const { ranges, unreachable } = registerRanges(node, ancestors);
    const isSram = role?.role === "sram";
    if (role !== undefined && unreachable > 0) this.#problems.push(`${path}: ${unreachable} of its addresses can't be reached by the CPU`);
    return {
      path,
      role: role?.role ?? "unknown",
      compatible,
      windows: ranges,
      detail: role ? detailOf(node, role.detail, role.plugin, ranges) : "",
      properties: isSram ? Object.fromEntries(node.properties) : {},
      children: isSram
        ? node.children.filter(isEnabled).map((child) => this.#part(child, [...ancestors, node], `${path}/${child.name}`))
        : [],
    };
  }

  /** A part of an SRAM. */
  #part(node: FdtNode, ancestors: Ancestors, path: string): PlatformDevice {
    const { ranges } = registerRanges(node, ancestors);
    return {
      path,
      role: "sram section",
      compatible: textOf(node, "compatible"),
      windows: ranges,
      detail: "",
      properties: Object.fromEntries(node.properties),
      children: [],
    };
  }
}

/** What the table says of a device. */
function detailOf(node: FdtNode, what: string, plugin: string | undefined, windows: readonly PlatformRange[]): string {
  const words = [what];
  if (what.startsWith("PSCI")) words.push(`by ${textOf(node, "method")[0] ?? "no method"}`);
  if (what === "GICv2") words.push(frames(["GICD", "GICC", "GICH", "GICV"], windows));
  if (what === "GICv3") {
    const regions = Math.max(1, Math.min(windows.length - 1, cellOf(node, "#redistributor-regions") ?? 1));
    const redistributors = Array.from({ length: regions }, (_, index) => regions === 1 ? "GICR" : `GICR ${index}`);
    words.push(frames(["GICD", ...redistributors, "GICC", "GICH", "GICV"], windows));
  }
  words.push(plugin === undefined ? "no plugin has it: absent" : `plugin ${plugin}`);
  return words.filter((word) => word !== "").join(", ");
}

function frames(names: readonly string[], windows: readonly PlatformRange[]): string {
  return windows.slice(0, names.length).map(({ at }, index) => `${names[index]} ${hex(at)}`).join(" ");
}
