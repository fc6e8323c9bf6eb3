/** How each device of the tree comes to life for random tests. */
import type { Board, Plugin, WindowResource } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import type { Bench, BenchOptions } from "../../core/testing.ts";
import { CpuEngine, Interrupts, MemoryBackend, Serial } from "../../core/mod.ts";
import { VirtualCpuInterface } from "../../plugins/cpu_a64/contract.ts";
import { gicv2 } from "../../plugins/gic/mod.ts";
import { userNetwork } from "../../plugins/network/mod.ts";
import { PciBus } from "../../plugins/pci/contract.ts";
import { plugins } from "../../plugins/mod.ts";
import { UserNetwork } from "../../plugins/network/contract.ts";
import type { CableEnd, FrameReceiver } from "../../plugins/network/contract.ts";
import { RAM } from "./ram.ts";

/** What is special about a plugin. */
export interface Setup {
  /** Options that random ones can't be. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** How the bench is to be. */
  readonly bench?: () => BenchOptions;
  /** Something of the host that each world has for itself: options that name it, and what takes it away. */
  readonly prepare?: () => { readonly options: Readonly<Record<string, unknown>>; undo(): void };
  /** Until what it has under way has happened, in nanoseconds; a second where it isn't said. */
  readonly settleNs?: number;
  /** It takes frames of the board, so that what isn't the guest's RAM may change. */
  readonly takesFrames?: boolean;
  /** What is attached before it. */
  readonly before?: (kit: Bench) => Promise<void>;
  /** Further windows, when it is attached. */
  readonly windows?: (kit: Bench) => readonly WindowResource[];
}

/** Plugins with windows that are left out, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  xen_abi: "its windows are memory that calls fill",
};

const disk = { bench: () => ({ images: new Map([["disk", new Uint8Array(2 ** 16)]]) }), options: { image: "disk", file: undefined } };

/** A folder with something in it; the guest may do with it what it likes. */
const folder: Setup = {
  prepare() {
    const path = Deno.makeTempDirSync();
    Deno.writeTextFileSync(`${path}/file`, "something");
    return { options: { path }, undo: () => Deno.removeSync(path, { recursive: true }) };
  },
};

/** A network that sends everything back. */
const network: Setup = {
  options: { switch: undefined },
  bench() {
    const plug = (): CableEnd => {
      let receiver: FrameReceiver | undefined;
      return { attach: (to) => receiver = to, send: (frame) => receiver?.receive(frame) ?? false, ready() {}, unplug() {} };
    };
    return { board: besides(userNetwork), provide: [[UserNetwork, { plug }]] };
  },
};

/** With the slowest clock and the greatest divisor a character takes four hours. */
const SERIAL_LINE_NS = 1e15;

const SETUPS: Readonly<Record<string, Setup>> = {
  ns16550: { settleNs: SERIAL_LINE_NS },
  cfi_flash: { bench: () => ({ memory: { at: RAM.at, size: 2 ** 24 } }), options: { bank_size: 2 ** 22, banks: 2 }, takesFrames: true },
  gicv2: {
    bench: () => ({ interrupts: false, provide: [[VirtualCpuInterface, { read: () => 0, write: () => {} }]] }),
    before: giveListRegisters,
  },
  gicv2m: { bench: () => ({ board: besides(gicv2) }) },
  gicv3: { bench: () => ({ interrupts: false }) },
  its: { bench: () => ({ interrupts: false }) },
  pci_serial: { settleNs: SERIAL_LINE_NS },
  pci: { options: { memory_size: 0x2eff_0000 } },
  virtio_net: network,
  virtio_net_pci: network,
  virtio_9p: folder,
  virtio_9p_pci: folder,
  virtio_blk: disk,
  virtio_blk_pci: disk,
};

function giveListRegisters(kit: Bench): Promise<void> {
  for (const { state } of kit.domain.vcpus) state.write("ICH_VTR_EL2", 0x9000_000fn);
  return Promise.resolve();
}

/** A board whose domain has a plugin, as far as checks look. */
function besides(plugin: Plugin): Partial<Board> {
  return { domains: [{ name: "guest", vcpus: 1, memory: [RAM], plugins: [{ plugin, options: defaults(plugin), path: [] }] }] };
}

/** What a manifest that says nothing would give. */
function defaults<O>({ options }: Plugin<O>): O {
  return Object.fromEntries(Object.entries(options).map(([name, spec]) => [name, spec.default])) as O;
}

const BAR_MEMORY = 0x1000_0000;
const BAR_STRIDE = 0x100_0000;
const ECAM = 0x3f00_0000;
/** The first free slot. */
const FUNCTION = ECAM + (1 << 15);

/** A function on the bus, its BARs one after the other. */
const onBus: Setup = {
  windows(kit): WindowResource[] {
    const windows: WindowResource[] = [{ name: "configuration", at: FUNCTION, size: 0x1000 }];
    for (let bar = 0; bar < 6; bar++) {
      const at = FUNCTION + 0x10 + 4 * bar;
      kit.write32(at, 0xffff_ffff);
      const mask = kit.read32(at);
      if (mask === 0 || (mask & 1) !== 0) continue;
      kit.write32(at, BAR_MEMORY + BAR_STRIDE * bar);
      windows.push({ name: `BAR ${bar}`, at: BAR_MEMORY + BAR_STRIDE * bar, size: (~(mask & ~0xf) >>> 0) + 1 });
    }
    kit.write16(FUNCTION + 4, 6);
    return windows;
  },
};

/** Does it serve registers to a guest, going by what it declares? */
function isDevice(plugin: Plugin): boolean {
  if ("device" in plugin || plugin.needs?.some(({ name }) => name === PciBus.name)) return true;
  const { board } = bench({ memory: RAM, ...SETUPS[plugin.name]?.bench?.() });
  try {
    const { windows } = plugin.resources?.(defaults(plugin), { board, domain: board.domains[0] }) ?? {};
    return windows?.some(({ mapping }) => mapping === undefined) ?? false;
  } catch {
    return false; // its options have no defaults that make sense
  }
}

/** What a bench has already. */
const GIVEN = new Set([CpuEngine, Interrupts, MemoryBackend, Serial, VirtualCpuInterface, UserNetwork].map(({ name }) => name));

/** Attaches who provides what a plugin needs, each with its defaults. */
export async function attachNeeds(kit: Bench, { needs = [] }: Plugin, attached: Set<Plugin> = new Set()): Promise<void> {
  for (const { name } of needs) {
    if (GIVEN.has(name)) continue;
    const provider = plugins.find(({ provides }) => provides?.some((provided) => provided.name === name));
    if (provider === undefined || attached.has(provider)) continue;
    attached.add(provider);
    await attachNeeds(kit, provider, attached);
    await kit.attach(provider, defaults(provider), { boardScope: provider.setup !== undefined });
  }
}

/** Undefined when it is no device. Whoever is new is found here, and needs no entry as long as it comes to life by itself. */
export function setupOf(plugin: Plugin): Setup | undefined {
  if (plugin.name in LEFT_OUT || !isDevice(plugin)) return undefined;
  const own = SETUPS[plugin.name] ?? {};
  return plugin.needs?.some(({ name }) => name === PciBus.name) ? { ...onBus, ...own } : own;
}

/** Names of the tables above: each must be a plugin's. */
export const named: readonly string[] = [...Object.keys(LEFT_OUT), ...Object.keys(SETUPS)];
