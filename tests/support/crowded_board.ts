/** A board whose domains have nearly every plugin that there is: for tests of what is left when one of them goes. */
import { boot } from "../../mod.ts";
import type { BootOptions, Machine } from "../../mod.ts";
import { PROBE_RAM, probeBoot, probeImages } from "./probe_guest.ts";

/** PA of the shared page. */
const SHARED = 0x41f0_0000;

/** What a domain's devices may be left out of: Workers take a tenth of a second each. */
export interface CrowdedOptions {
  /** A console behind IOREQ, in a Worker. */
  readonly worker?: boolean;
  /** Options of `ioreq`. */
  readonly ioreq?: string;
  /** More plugins of the board, as lines of YAML. */
  readonly extra?: string;
  /** Domains, in this order. */
  readonly domains?: readonly string[];
}

const domain = (name: string, { worker = false }: CrowdedOptions): string =>
  `  - name: ${name}
    vcpus: 2
    memory: [{ at: ${PROBE_RAM}, size: 4MiB }]
    plugins:
      - { use: pl011, at: 0x0900_0000, interrupt: spi 1, port: ${name} }
      - { use: pl031, at: 0x0901_0000, interrupt: spi 2 }
${
    name === "one"
      ? "      - { use: pl061, at: 0x0903_0000, interrupt: spi 7 } # there is one power key\n"
      : ""
  }      - { use: ns16550, at: 0x0902_0000, interrupt: spi 8, port: ${name}-16550 }
      - { use: sbsa_gwdt, refresh: 0x0904_0000, control: 0x0905_0000, interrupt: spi 9 }
      - { use: cfi_flash, at: 0x1000_0000, banks: 1, bank_size: 256KiB }
      - { use: user_network }
      - { use: virtio_blk, at: 0x0a00_0000, interrupt: spi 16, file: disk.img, readonly: true, snapshot: false }
      - { use: virtio_net, at: 0x0a00_0200, interrupt: spi 17 }
      - { use: virtio_net, at: 0x0a00_0400, interrupt: spi 18, switch: lan }
      - { use: virtio_rng, at: 0x0a00_0600, interrupt: spi 19 }
      - { use: virtio_console, at: 0x0a00_0800, interrupt: spi 20, ports: [${name}-virtio] }
      - { use: virtio_9p, at: 0x0a00_0a00, interrupt: spi 21, path: shared }
      - { use: virtio_balloon, at: 0x0a00_0c00, interrupt: spi 22 }
      - { use: virtio_vsock, at: 0x0a00_0e00, interrupt: spi 23, listen: ${name}.sock }
      - { use: pci, memory_size: 16MiB, memory: 0x1800_0000 }
      - { use: virtio_blk_pci, file: disk.img, readonly: true }
      - { use: xen_abi, port: ${name}-xen }
${worker ? `      - { use: ns16550, at: 0x0906_0000, interrupt: spi 11, port: ${name}-remote, runs: ioreq }\n` : ""}      - { use: fdt }
      - ${probeBoot}
`;

/** Its manifest. */
export function crowdedBoard(options: CrowdedOptions = {}): string {
  const names = options.domains ?? ["one", "two"];
  const isPair = names.includes("one") && names.includes("two");
  return `board: crowded
pcpus: 2
memory: [{ at: 0x4000_0000, size: 32MiB }]
plugins:
  - { use: cpu_a64, break_before_make: report }
  - { use: vmsa }
  - { use: scheduler_fair }
  - { use: gicv3 }
  - { use: its }
  - { use: generic_timer }
  - { use: psci }
  - { use: smccc }
  - { use: pvtime }
  - { use: ioreq${options.ioreq === undefined ? "" : `, ${options.ioreq}`} }
  - { use: event_channels${isPair ? ", channels: [{ one: 1, two: 1 }]" : ""} }
  - { use: event_doorbell }
  - { use: grant_tables }
  - { use: domain_policy, mode: open }
  - { use: network_switch }
  - { use: static_shm, regions: [{ id: mail, at: ${SHARED}, size: 4KiB, domains: { ${
    names.map((name, n) => `${name}: { ${n === 0 ? "role: owner, " : ""}ipa: 0x3a00_0000 }`).join(", ")
  } } }] }
${options.extra ?? ""}domains:
${names.map((name) => domain(name, options)).join("")}`;
}

/** Boots it in a folder of its own, which goes with the machine. */
export async function bootCrowded(options: CrowdedOptions = {}, more: BootOptions = {}): Promise<Machine & Disposable> {
  const folder = await Deno.makeTempDir({ prefix: "plugboard-crowded-" });
  await Deno.mkdir(`${folder}/shared`);
  await Deno.writeFile(`${folder}/disk.img`, new Uint8Array(64 * 1024).fill(0x2a));
  await Deno.writeTextFile(`${folder}/board.yaml`, crowdedBoard(options));
  try {
    const machine = await boot(`${folder}/board.yaml`, { images: probeImages, ...more });
    return Object.assign(machine, {
      [Symbol.dispose]() {
        machine.dispose();
        Deno.removeSync(folder, { recursive: true });
      },
    });
  } catch (error) {
    await Deno.remove(folder, { recursive: true });
    throw error;
  }
}
