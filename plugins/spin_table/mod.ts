/**
 * Boots secondary CPUs without a call to anybody: all vCPUs start at boot, and the secondaries wait in a holding pen in guest RAM until the kernel
 * writes to the release address that the device tree names (`enable-method = "spin-table"`). What PSCI made obsolete, to compare with.
 *
 * A hostile guest can write anything into the pen: it is guest RAM, and what the vCPUs run there is the guest's own affair.
 * @module
 */
import { definePlugin, hex, OptionError } from "../../core/mod.ts";
import type { DeviceTreeFragment, DomainContext, DomainSpec, Plugin } from "../../core/mod.ts";
import { penImage, penSize, releaseAddress } from "./pen.ts";
import type { PenKind } from "./pen.ts";

/** Options; `at` is an IPA. */
export interface SpinTableOptions {
  readonly at?: number;
  readonly pen: PenKind;
}

/** The plugin. */
export const spinTable: Plugin<SpinTableOptions, undefined> = definePlugin<SpinTableOptions, undefined>({
  name: "spin_table",
  doc: "Starts secondary vCPUs by the device tree's spin-table method, from a holding pen in guest RAM; psci stays useful to power off.",
  options: {
    at: {
      kind: "address",
      doc: "Where the pen lies in the guest's RAM; at the end of its lowest bank by default.",
      align: 4096,
      optional: true,
    },
    pen: {
      kind: "choice",
      choices: ["table", "holding"],
      default: "table",
      doc: "table: a release address for each vCPU; holding: one for all of them, which the kernel then tells apart itself.",
    },
  },
  resources: (options, { domain }) => domain === undefined ? {} : { deviceTree: deviceTree(options, domain) },
  attach,
});

function attach({ options, domain, onBoot, fail }: DomainContext<SpinTableOptions, undefined>): void {
  const { at, size } = place(options, domain.spec);
  const occupied = () => domain.readMemory(at, size).some((byte) => byte !== 0);
  // A hook that is registered by a hook runs last, when every image is in its place.
  onBoot(() =>
    onBoot(() => {
      if (occupied()) fail("at", `the pen, ${hex(at)} to ${hex(at + size - 1)}, lies where an image was placed`);
      domain.writeMemory(at, penImage(size));
      for (const vcpu of domain.vcpus.slice(1)) vcpu.start(BigInt(at), BigInt(releaseAddress(at, vcpu.index, options.pen)));
    })
  );
}

/** Throws an {@linkcode OptionError} unless the pen lies in the domain's RAM. */
function place({ at, pen }: SpinTableOptions, { name, vcpus, memory }: DomainSpec): { readonly at: number; readonly size: number } {
  const size = penSize(vcpus, pen);
  const [lowest] = memory.toSorted((a, b) => a.at - b.at);
  const start = at ?? lowest.at + lowest.size - size;
  if (!memory.some((bank) => start >= bank.at && start + size <= bank.at + bank.size)) {
    throw new OptionError("at", `the pen, ${hex(start)} to ${hex(start + size - 1)}, isn't in the RAM of domain ${name}`);
  }
  return { at: start, size };
}

/** The CPU nodes, and the pen as memory that the kernel maps but doesn't hand out. */
function deviceTree(options: SpinTableOptions, domain: DomainSpec): readonly DeviceTreeFragment[] {
  const { at, size } = place(options, domain);
  const cells = (address: number) => ({ cells: [Math.floor(address / 2 ** 32), address % 2 ** 32] });
  const cpus = Array.from({ length: domain.vcpus }, (_, index) => ({
    name: `cpu@${affinityOf(index).toString(16)}`,
    properties: {
      "enable-method": { text: "spin-table" },
      "cpu-release-addr": cells(releaseAddress(at, index, options.pen)),
    },
  }));
  const reserved = {
    name: "reserved-memory",
    properties: { "#address-cells": { cells: [2] }, "#size-cells": { cells: [2] }, ranges: true as const },
    children: [{ name: `spin-table@${at.toString(16)}`, properties: { reg: { reg: [[at, size]] as const } } }],
  };
  return [{ under: "/cpus", nodes: cpus }, { under: "/", nodes: [reserved] }];
}

/** Aff1 and Aff0 of a vCPU: 16 to a cluster, as core's MPIDR_EL1 has them. */
function affinityOf(index: number): number {
  return index >> 4 << 8 | index & 15;
}

export default spinTable;
