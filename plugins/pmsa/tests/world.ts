/** A `pmsa` that is set up, over RAM, a bus and the model of the registers. */
import { HypervisorMap, MemoryBackend, OptionError } from "../../../core/mod.ts";
import type { AddressSpace, Board, BoardContext, MmioHandler, VcpuState } from "../../../core/mod.ts";
import { DeviceBus } from "../../../core/memory/bus.ts";
import { Ram } from "../../../core/memory/ram.ts";
import { defaultSections } from "../image.ts";
import { pmsa, PmsaDomains } from "../mod.ts";
import type { PmsaOptions, PmsaState } from "../mod.ts";
import { MpuEngine } from "./model_mpu.ts";
import type { MpuVcpuState } from "./model_mpu.ts";

export const RAM = { at: 0x4000_0000, size: 0x100_0000 };
export const UART = 0x900_0000;

/** Options over the defaults. */
export function optionsWith(options: Partial<PmsaOptions> = {}): PmsaOptions {
  return { el1: "pmsa", sections: defaultSections, devices: [], ...options };
}

/** A board without guests. */
export function boardWith(options: PmsaOptions, board: Partial<Board> = {}): Board {
  return {
    name: "test",
    doc: "",
    file: "test.yaml",
    seed: 1,
    time: "virtual",
    nsPerInstruction: 1,
    pcpus: 1,
    memory: [RAM],
    plugins: [{ plugin: pmsa, options: options as unknown as Record<string, unknown>, path: ["plugins", 0] }],
    domains: [],
    ...board,
  };
}

/** The plugin at work. */
export class World {
  readonly memory: Ram = new Ram([RAM]);
  readonly bus: DeviceBus = new DeviceBus(this.memory);
  readonly engine: MpuEngine;
  readonly state: PmsaState;
  /** What the device at {@linkcode UART} was written. */
  readonly written: { readonly offset: number; readonly size: number; readonly value: bigint }[] = [];
  readonly #provided = new Map<string, unknown>();

  constructor(regions = 32, options: Partial<PmsaOptions> = {}, msaFrac = 2n) {
    this.engine = new MpuEngine(regions, msaFrac, this.memory, this.bus);
    const whole = optionsWith(options);
    this.state = pmsa.state!(whole);
    const uart: MmioHandler = {
      read: (offset) => 0x100 + offset,
      write: (offset, size, value) => void this.written.push({ offset, size, value }),
    };
    this.bus.claim(UART, 0x1000, "uart", uart);
    const context: Partial<BoardContext<PmsaOptions, PmsaState>> = {
      options: whole,
      state: this.state,
      board: boardWith(whole),
      memory: this.memory,
      bus: this.bus,
      get: <T>() => this.engine as T,
      onStop: () => {},
      onSnapshot: () => {},
      provide: (key, value) => void this.#provided.set(key.name, value),
      fail: (option, message) => {
        throw new OptionError(option, message);
      },
    };
    pmsa.setup!(context as BoardContext<PmsaOptions, PmsaState>);
  }

  get backend(): MemoryBackend {
    return this.#provided.get(MemoryBackend.name) as MemoryBackend;
  }

  get map(): HypervisorMap {
    return this.#provided.get(HypervisorMap.name) as HypervisorMap;
  }

  get domains(): PmsaDomains {
    return this.#provided.get(PmsaDomains.name) as PmsaDomains;
  }

  /** A space, and a vCPU that it is installed on. */
  domain(name: string, el1: "pmsa" | "vmsa" = "pmsa"): { readonly space: AddressSpace; readonly vcpu: MpuVcpuState } {
    const space = this.backend.createAddressSpace(name);
    this.domains.setEl1(space, el1);
    const vcpu = this.engine.createVcpu({ mpidr: 0x8000_0000n });
    space.install(vcpu as VcpuState);
    return { space, vcpu };
  }

  finishBoot(): void {
    this.backend.finishBoot!();
  }
}

/** `[base, limit, AP]` of the regions that are on and that lower Exception levels may use. */
export function guestRegions({ mpu }: MpuVcpuState): (readonly [number, number])[] {
  return mpu.enabled.filter(({ flags }) => (flags & 4n) !== 0n).map(({ base, limit }) => [Number(base), Number(limit)] as const);
}

/** Regions that are on and only EL2 may use. */
export function ownRegions({ mpu }: MpuVcpuState): (readonly [number, number])[] {
  return mpu.enabled.filter(({ flags }) => (flags & 4n) === 0n).map(({ base, limit }) => [Number(base), Number(limit)] as const);
}
