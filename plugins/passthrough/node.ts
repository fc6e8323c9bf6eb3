/** The guest's device tree node for a device that it has to itself. */
import type { Cell, DeviceTreeFragment, DeviceTreeValue } from "../../core/mod.ts";
import { apbClock } from "../fdt/contract.ts";
import { guestAddress } from "./options.ts";
import type { PassthroughOptions } from "./options.ts";

/** What {@linkcode valueOf} takes. */
export const VALUES = "true, a text, a number, a list of texts, or a list of numbers and references such as &clk24mhz";

const isCell = (value: unknown): value is Cell =>
  (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32) ||
  (typeof value === "string" && /^&\w+$/.test(value));

/** A property as the manifest writes it; `undefined` when it is nothing that a device tree could have. */
export function valueOf(raw: unknown): DeviceTreeValue | undefined {
  if (raw === true) return true;
  if (isCell(raw)) return { cells: [raw] };
  if (typeof raw === "string") return { text: raw };
  if (!Array.isArray(raw) || raw.length === 0) return undefined;
  if (raw.every(isCell)) return { cells: raw };
  return raw.every((item) => typeof item === "string") ? { text: raw } : undefined;
}

/** What is wrong with the option `properties`, if anything. */
export function checkProperties(raw: unknown): string | undefined {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return "a mapping of names to values";
  const own = ["compatible", "reg", "interrupts"];
  for (const [name, value] of Object.entries(raw)) {
    if (own.includes(name)) return `properties without ${name}, which has an option of its own or follows from them`;
    if (!/^[\w,.+?#-]{1,31}$/.test(name)) return `names of properties, not ${JSON.stringify(name)}`;
    if (valueOf(value) === undefined) return `${name} to be ${VALUES}`;
  }
  return undefined;
}

/** The node, and the clock of PrimeCells when it refers to it. Nothing without `compatible`: the guest knows the device by itself. */
export function deviceTree(options: PassthroughOptions): DeviceTreeFragment[] {
  const { node, compatible, size, interrupts, lines, properties, stdout } = options;
  if (compatible === undefined) return [];
  const at = guestAddress(options);
  const name = `${node}@${at.toString(16)}`;
  const more = Object.entries(properties).map(([key, raw]) => [key, valueOf(raw)!] as const);
  const intids = interrupts ?? lines;
  const isClocked = more.some(([, value]) => value !== true && "cells" in value && value.cells.includes(`&${apbClock.label}`));
  const own = {
    compatible: { text: compatible },
    reg: { reg: [[at, size]] },
    ...intids.length > 0 && { interrupts: { interrupts: intids.map((intid) => ({ intid, trigger: "level" as const })) } },
    ...Object.fromEntries(more),
  } satisfies Record<string, DeviceTreeValue>;
  const tree: DeviceTreeFragment[] = [{ under: "/", nodes: [...isClocked ? [apbClock] : [], { name, properties: own }] }];
  if (stdout) tree.push({ under: "/chosen", properties: { "stdout-path": { text: `/${name}` } } });
  return tree;
}
