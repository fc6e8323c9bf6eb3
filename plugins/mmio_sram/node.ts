/** The guest's device tree node: Linux's Documentation/devicetree/bindings/sram/sram.yaml. */
import type { DeviceTreeFragment, DeviceTreeNode, DeviceTreeValue } from "../../core/mod.ts";
import { segmentsOf } from "./attributes.ts";
import { COMPATIBLE } from "./plan.ts";
import type { SramChild, SramRegion } from "./plan.ts";

/** One node for a region, at the guest's addresses. */
export function sramNode(region: SramRegion): DeviceTreeFragment {
  const { ipa, size, children, noMemoryWc, node } = region;
  const isDevice = segmentsOf(region).some(({ mapping }) => mapping.type.startsWith("device"));
  const compatible = node.compatible.includes(COMPATIBLE) ? node.compatible : [...node.compatible, COMPATIBLE];
  const properties: Record<string, DeviceTreeValue> = {
    compatible: { text: compatible },
    reg: { reg: [[ipa, size]] },
    "#address-cells": { cells: [1] },
    "#size-cells": { cells: [1] },
    // Sections count from the SRAM's first byte; the root has two cells for an address.
    ranges: { cells: [0, Math.floor(ipa / 2 ** 32), ipa % 2 ** 32, size] },
  };
  // A guest whose stage 1 says Normal gets faults at EL2 from memory that stage 2 makes Device.
  if (noMemoryWc || isDevice) properties["no-memory-wc"] = true;
  return { under: "/", nodes: [{ name: `sram@${ipa.toString(16)}`, properties, children: children.map(section) }] };
}

function section({ name, at, size, label, isExported, isCode, isPool, node }: SramChild): DeviceTreeNode {
  const properties: Record<string, DeviceTreeValue> = { reg: { reg: [[at, size]] } };
  if (node.compatible.length > 0) properties.compatible = { text: node.compatible };
  if (isExported) properties.export = true;
  if (isCode) properties["protect-exec"] = true;
  if (isPool) properties.pool = true;
  if (label !== undefined) properties.label = { text: label };
  return { name: `${name.split("@")[0]}@${at.toString(16)}`, properties };
}
