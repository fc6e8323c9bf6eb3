/** A device on a bench for random tests: its windows, its RAM, and the limits that no access of a guest may make it break. */
import { assert, assertEquals } from "@std/assert";
import { OptionError } from "../../core/mod.ts";
import type { Plugin, WindowResource } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import type { DeviceModel } from "../../plugins/device/contract.ts";
import type { Random } from "../support/random.ts";
import { RAM } from "./ram.ts";
import { attachNeeds } from "./setups.ts";
import type { Setup } from "./setups.ts";
import { mmio, pci, VirtioGuest } from "./virtio_guest.ts";

/** What lies behind it, and belongs to nobody: it must stay as it is. */
const CANARY = { at: RAM.at + RAM.size, size: RAM.size, byte: 0xa5 };
/** Timers that may fire in a millisecond of virtual time, and accesses to memory that one access may cause. */
const MOST_TIMERS = 2000;
const MOST_DMA = 100_000;

/** A running device. */
export class DeviceWorld {
  readonly #dma = { count: 0 };
  /** Offsets of registers that somebody has found. */
  readonly #registers: number[] = [];
  readonly #virtio: VirtioGuest | undefined;

  private constructor(
    readonly kit: Bench,
    readonly windows: readonly WindowResource[],
    readonly ports: readonly string[],
    readonly state: unknown,
    private readonly random: Random,
    private readonly takesFrames: boolean,
    isVirtio: boolean,
  ) {
    const { domain, memory } = kit;
    if (!takesFrames) memory.view(CANARY.at, CANARY.size).fill(CANARY.byte);
    for (const name of ["readMemory", "writeMemory"] as const) {
      const original = domain[name].bind(domain) as (ipa: number, what: never) => never;
      domain[name] = (ipa: number, what: never): never => {
        // Here, not afterwards: a loop that the guest made ends.
        assert(++this.#dma.count <= MOST_DMA, `a step touches memory more than ${MOST_DMA} times`);
        return original(ipa, what);
      };
    }
    // Options of every virtio transport. A look at the registers could change them.
    if (!isVirtio) return;
    const bar = windows.find(({ name }) => name === "BAR 0");
    this.#virtio = new VirtioGuest(kit, bar === undefined ? mmio(kit, windows[0].at) : pci(kit, bar.at), random);
  }

  /** One thing that a guest, or the world, may do. */
  step(): void {
    this.#dma.count = 0;
    const dice = this.random.below(100);
    if (dice < 10) this.#wait();
    else if (dice < 15) this.#scribble();
    else if (dice < 20) this.#type();
    else if (this.#virtio === undefined || dice < 40) this.#access();
    else if (dice < 42) this.#virtio.start();
    else this.#virtio.offer();
  }

  /** Attaches it. Undefined when its options are a mistake that it reports as one. */
  static async start(plugin: Plugin, options: Record<string, unknown>, setup: Setup, random: Random): Promise<DeviceWorld | undefined> {
    const kit = bench({ memory: RAM, ...setup.bench?.() });
    const resources = plugin.resources?.(options, { board: kit.board, domain: kit.board.domains[0] }) ?? {};
    if (resources.findings?.some(({ severity }) => severity !== "warning")) return undefined;
    await setup.before?.(kit);
    await attachNeeds(kit, plugin);
    try {
      const state = await kit.attach(plugin, options);
      await kit.boot();
      const windows = [...(resources.windows ?? []).filter(({ mapping }) => mapping === undefined), ...setup.windows?.(kit) ?? []];
      return new DeviceWorld(kit, windows, portsOf(plugin, options), state, random, setup.takesFrames ?? false, "packed" in plugin.options);
    } catch (error) {
      kit.close();
      if (error instanceof OptionError) return undefined;
      throw error;
    }
  }

  /** One random access to one of its windows, any width, often where registers are. */
  #access(): void {
    const { random } = this;
    const { at, size } = random.pick(this.windows);
    const width = random.chance(0.6) ? 4 : random.pick([1, 2, 4, 8]);
    // What isn't aligned never reaches a device: core sees to that.
    const offset = random.chance(0.6) && this.#registers.length > 0 ? this.#register(size, width) : width * random.below(size / width);
    if (random.chance(0.4)) this.kit.read(at + offset, width);
    else this.kit.write(at + offset, width, BigInt.asUintN(8 * width, interesting(random)));
  }

  #register(size: number, width: number): number {
    const offset = this.random.pick(this.#registers);
    return offset < size ? offset - offset % width : 0;
  }

  /** Writes ones to every word: where something else than zero can be read then, there is a register. */
  sweep(): void {
    for (const { at, size } of this.windows) {
      for (let offset = 0; offset < Math.min(size, 0x1000); offset += 4) {
        this.kit.write32(at + offset, 0xffff_ffff);
        if (this.kit.read32(at + offset) !== 0) this.#registers.push(offset);
      }
    }
  }

  /** Time passes, some of it. */
  #wait(): void {
    const { random, kit: { clock } } = this;
    const end = clock.nowNs + random.pick([1, 1000, 50_000, 1_000_000]);
    for (let fired = 0;; fired++) {
      const { next } = clock.events;
      if (next === undefined || next.ns > end) break;
      assert(fired < MOST_TIMERS, `${next.name} and others fired ${fired} times in less than a millisecond`);
      clock.skipTo(next.ns);
      clock.events.takeDue(clock.nowNs)!.fire();
    }
    clock.skipTo(end);
  }

  /** Fills a piece of RAM, from its start on, with words that rings and requests are made of. */
  #scribble(): void {
    const { random } = this;
    const words = Uint32Array.from(
      { length: 64 },
      () => random.chance(0.5) ? random.below(16) : Number(interesting(random) & 0xffff_ffffn),
    );
    this.kit.domain.writeMemory(RAM.at + 0x100 * random.below(0x400), new Uint8Array(words.buffer));
  }

  /** What its registers say now, window by window. Reading may change them. */
  registers(): string[] {
    return this.windows.map(({ at, size }) =>
      Array.from({ length: Math.min(size, 0x1000) / 4 }, (_, n) => this.kit.read32(at + 4 * n).toString(16)).join(" ")
    );
  }

  /** Makes its clock and the guest's RAM like those of another world. */
  follow({ kit: { clock, domain } }: DeviceWorld): void {
    this.kit.clock.skipTo(clock.nowNs);
    this.kit.domain.writeMemory(RAM.at, domain.readMemory(RAM.at, RAM.size));
  }

  /** Somebody types. */
  #type(): void {
    const { random, ports, kit } = this;
    if (ports.length > 0) kit.input(random.pick(ports), Uint8Array.from({ length: random.below(40) }, () => random.below(256)));
  }

  /** Whatever happened: nothing outside of RAM was touched, and its state is data. */
  close(): void {
    const canary = this.kit.memory.view(CANARY.at, CANARY.size);
    if (!this.takesFrames) assertEquals(canary.findIndex((byte) => byte !== CANARY.byte), -1, "a byte behind the guest's RAM was written");
    structuredClone(this.state);
    this.kit.close();
  }
}

/** Serial ports that it opened, as far as its options name them. */
function portsOf(plugin: Plugin, options: Readonly<Record<string, unknown>>): readonly string[] {
  const { device } = plugin as { readonly device?: DeviceModel };
  return device?.ports?.(options) ?? (typeof options.port === "string" ? [options.port] : []);
}

/** Borders of everything, addresses in and around RAM, and noise. */
function interesting(random: Random): bigint {
  switch (random.below(5)) {
    case 0:
      return BigInt(random.below(16));
    case 1:
      return 1n << BigInt(random.below(64));
    case 2:
      return BigInt(RAM.at + 0x100 * random.below(0x1200));
    case 3:
      return (1n << BigInt(1 + random.below(64))) - BigInt(random.below(3));
    default:
      return random.u64();
  }
}
