/** The guest's `/hypervisor` node. Linux's binding arm/xen.txt. */
import type { DeviceTreeFragment } from "../../core/mod.ts";

/** Addresses and the interrupt that the node tells. */
export interface NodeOptions {
  readonly version: string;
  readonly grant_table: number;
  readonly grant_table_size: number;
  readonly interrupt: number;
}

/** `xen,xen-4.17`, `xen,xen`. */
export function hypervisorNode({ version, grant_table, grant_table_size, interrupt }: NodeOptions): DeviceTreeFragment {
  const compatible = { text: [`xen,xen-${version}`, "xen,xen"] };
  return {
    under: "/",
    nodes: [{
      name: "hypervisor",
      properties: {
        compatible,
        reg: { reg: [[grant_table, grant_table_size]] },
        interrupts: { interrupts: [{ intid: interrupt, trigger: "level" }] },
      },
    }],
  };
}
