/** Domains whose vCPUs make hypercalls when a test says so: a whole machine, but for its CPUs and its page tables. */
import { assert } from "@std/assert";
import { definePlugin, Interrupts, Machine } from "../../../core/mod.ts";
import type { Domain, Plugin, Vcpu } from "../../../core/mod.ts";
import { fakeBoard, FakeInterrupts, startAll } from "../../../core/testing.ts";
import type { FakeEngine, FakeVcpuState, Step } from "../../../core/testing.ts";
import { domainPolicy } from "../../domain_policy/mod.ts";
import { EventChannels, eventChannels } from "../../event_channels/mod.ts";
import { GrantTables, grantTables } from "../../grant_tables/mod.ts";
import { HYPERCALL_IMMEDIATE } from "../numbers.ts";
import { xenAbi } from "../mod.ts";

/** Guest RAM. */
export const RAM = 0x4000_0000;
/** Where the kit puts arguments. */
const SCRATCH = RAM + 0xf_0000;
const ESR = 0x16n << 26n | 1n << 25n | BigInt(HYPERCALL_IMMEDIATE);

/** A hypercall on its way. */
interface Call {
  readonly registers: readonly bigint[];
  /** Instead of a hypercall, a load or store of a device. */
  readonly access?: { readonly ipa: number; readonly size: number; readonly value?: bigint };
  result?: bigint;
}

/** A vCPU that waits for calls. */
class Core {
  readonly queue: Call[] = [];

  *script(): Iterable<Step> {
    for (;;) {
      const call = this.queue.shift();
      if (call === undefined) {
        yield { retire: 50 };
        continue;
      }
      const set = (state: FakeVcpuState) => {
        const [number, ...args] = call.registers;
        state.setX(16, number);
        args.forEach((value, n) => state.setX(n, value));
        state.pc = 0x1004n;
      };
      if (call.access !== undefined) {
        yield* access(call, call.access);
        continue;
      }
      yield { effect: set };
      for (let isDone = false; !isDone;) {
        yield { exception: { esr: ESR } };
        yield {
          effect(state) {
            isDone = state.pc === 0x1004n;
            state.pc = 0x1004n;
            if (isDone) call.result = state.x(0);
          },
        };
      }
    }
  }
}

/** A data abort of X9: ISV, SAS, SRT, SF, WnR; translation fault at level 3. */
function* access(call: Call, { ipa, size, value }: NonNullable<Call["access"]>): Iterable<Step> {
  const iss = 1 << 24 | Math.log2(size) << 22 | 9 << 16 | 1 << 15 | (value === undefined ? 0 : 1 << 6) | 7;
  yield { effect: (state) => state.setX(9, value ?? 0n) };
  yield { exception: { esr: 0x24n << 26n | 1n << 25n | BigInt(iss), ipa, far: BigInt(ipa) } };
  yield { effect: (state) => call.result = state.injected.pop() === undefined ? state.x(9) : -1n };
}

/** What a test may say of the machine. */
export interface XenKitOptions {
  readonly domains?: readonly string[];
  readonly vcpus?: number;
  readonly policy?: "silo" | "open";
  readonly rules?: readonly unknown[];
  readonly channels?: readonly unknown[];
  readonly maxPort?: number;
  readonly maxFrames?: number;
  readonly maxMaps?: number;
  readonly isDirect?: boolean;
  readonly plugins?: readonly Plugin[];
}

/** The machine. */
export class XenKit {
  machine!: Machine;
  channels!: EventChannels;
  tables!: GrantTables;
  /** Output of serial ports. */
  readonly output = new Map<string, string>();
  readonly traced: string[] = [];
  readonly interrupts = new Map<string, FakeInterrupts>();
  readonly #cores = new Map<FakeVcpuState, Core>();
  #engine!: FakeEngine;

  static async start(options: XenKitOptions = {}): Promise<XenKit> {
    const kit = new XenKit();
    const names = options.domains ?? ["one", "two"];
    const { board, engine } = fakeBoard({
      domains: names.map((name, n) => ({
        name,
        vcpus: options.vcpus ?? 1,
        // With an MPU, the guests' RAM is where the board's is.
        memory: [{ at: options.isDirect ? RAM + n * 2 ** 20 : RAM, size: 2 ** 20 }],
      })),
      pcpus: 2,
      directMapOnly: options.isDirect,
      plugins: [startAll],
    });
    kit.#engine = engine;
    engine.script = () => {
      const core = new Core();
      kit.#pending.push(core);
      return core.script();
    };
    const use = (plugin: Plugin, given: Record<string, unknown> = {}) => {
      const defaults = Object.entries(plugin.options).map(([name, spec]) => [name, spec.default] as const);
      return { plugin, options: { ...Object.fromEntries(defaults), ...given }, path: ["plugins", plugin.name] };
    };
    const catcher = definePlugin({
      name: "catcher",
      doc: "Shows the test what is on the board.",
      options: {},
      provides: [Interrupts],
      attach({ domain, find, provide }) {
        kit.channels = find(EventChannels)!;
        kit.tables = find(GrantTables)!;
        const lines = new FakeInterrupts();
        kit.interrupts.set(domain.name, lines);
        const waking = (vcpu: Vcpu, line: { readonly intid: number; set(level: boolean): void }) => ({
          intid: line.intid,
          set(level: boolean) {
            line.set(level);
            (vcpu.state as FakeVcpuState).pending = level;
            if (level) vcpu.kick();
          },
        });
        provide(Interrupts, {
          spi: (intid) => lines.spi(intid),
          ppi: (vcpu, intid) => waking(domain.vcpus[vcpu], lines.ppi(vcpu, intid)),
        });
      },
    });
    const magic = options.isDirect ? { magic: RAM + 0xe_0000 } : {};
    const plugins = [
      ...board.plugins,
      use(domainPolicy, { mode: options.policy ?? "silo", rules: options.rules ?? [] }),
      use(catcher),
      use(eventChannels, { channels: options.channels ?? [], max_port: options.maxPort ?? 1023 }),
      use(grantTables, { max_frames: options.maxFrames ?? 4, max_maps: options.maxMaps ?? 64 }),
      ...(options.plugins ?? []).map((plugin) => use(plugin)),
    ];
    // Each domain has its own: behind an MPU the magic pages are in its RAM.
    const domains = board.domains.map((domain, n) => ({
      ...domain,
      plugins: [use(xenAbi, options.isDirect ? { magic: magic.magic! + n * 2 ** 20 } : {})],
    }));
    kit.machine = await Machine.create({ ...board, plugins, domains }, {
      images: new Map(),
      onSerial: (port, bytes) => kit.output.set(port, (kit.output.get(port) ?? "") + new TextDecoder().decode(bytes)),
      onTrace: (kind, detail) => kit.traced.push(`${kind}: ${detail}`),
    });
    return kit;
  }

  /** Scripts in the order of their vCPUs, until these are known. */
  readonly #pending: Core[] = [];

  domain(name: string): Domain {
    return this.machine.domains.find((domain) => domain.name === name)!;
  }

  /** A guest's hand on one vCPU. */
  guest(name: string, vcpu = 0): XenGuest {
    return new XenGuest(this, name, vcpu);
  }

  core(name: string, vcpu: number): Core {
    // States and scripts are made together, in the same order.
    for (const state of this.#engine.vcpus) if (!this.#cores.has(state)) this.#cores.set(state, this.#pending.shift()!);
    return this.#cores.get(this.domain(name).vcpus[vcpu].state as FakeVcpuState)!;
  }

  /** Lets virtual time pass. */
  run(ns = 1000): void {
    this.machine.runFor(ns, Infinity);
  }

  /** What is in use: equal before and after a domain's life. */
  usage(): unknown {
    const names = this.machine.board.domains.map(({ name }) => name);
    return {
      frames: Object.fromEntries([...this.machine.memory.usage()].sort()),
      free: this.machine.memory.freeFrames,
      ports: names.map((name) => this.channels.of(name)?.count),
      grants: names.map((name) => this.tables.of(name)?.counts),
    };
  }

  [Symbol.dispose](): void {
    this.machine.dispose();
  }
}

/** One vCPU of one domain, as its kernel. */
export class XenGuest {
  constructor(readonly kit: XenKit, readonly name: string, readonly vcpu: number) {}

  get domain(): Domain {
    return this.kit.domain(this.name);
  }

  /** Its RAM's first address. */
  get ram(): number {
    return this.domain.ram[0].at;
  }

  /** A frame of its RAM, by number from 0. */
  gfn(index: number): bigint {
    return BigInt(this.ram / 4096 + index);
  }

  /** Begins a hypercall; its result comes when the machine has run. */
  begin(number: number, ...args: readonly (number | bigint)[]): Call {
    const call: Call = { registers: [BigInt(number), ...args.map(BigInt)] };
    this.kit.core(this.name, this.vcpu).queue.push(call);
    return call;
  }

  /** Begins a load, or with a value a store, where nothing is mapped; `-1n`: the guest gets an abort. */
  access(ipa: number, size: number, value?: bigint): Call {
    const call: Call = { registers: [], access: { ipa, size, value } };
    this.kit.core(this.name, this.vcpu).queue.push(call);
    return call;
  }

  /** Makes a hypercall, to its end. Below zero: an error. */
  call(number: number, ...args: readonly (number | bigint)[]): number {
    const call = this.begin(number, ...args);
    for (let turn = 0; call.result === undefined && turn < 10_000; turn++) this.kit.run();
    assert(call.result !== undefined, `hypercall ${number} of ${this.name} doesn't come back`);
    return Number(BigInt.asIntN(64, call.result));
  }

  /** A hypercall with a structure as its last argument: little-endian fields of so many bytes. Its bytes afterwards are in {@linkcode out}. */
  op(number: number, cmd: number, fields: readonly Field[], extra: readonly number[] = []): number {
    const bytes = encode(fields);
    this.write(this.scratch, bytes);
    const result = extra.length > 0 ? this.call(number, cmd, ...extra, this.scratch) : this.call(number, cmd, this.scratch);
    this.out = new DataView(Uint8Array.from(this.read(this.scratch, bytes.length)).buffer);
    return result;
  }

  /** GNTTABOP_* on one structure. */
  grant(cmd: number, fields: readonly Field[]): number {
    const bytes = encode(fields);
    this.write(this.scratch, bytes);
    const result = this.call(20, cmd, this.scratch, 1);
    this.out = new DataView(Uint8Array.from(this.read(this.scratch, bytes.length)).buffer);
    return result;
  }

  out = new DataView(new ArrayBuffer(0));

  get scratch(): number {
    return SCRATCH - RAM + this.ram;
  }

  write(at: number, bytes: Uint8Array): void {
    this.domain.writeMemory(at, bytes);
  }

  read(at: number, size: number): Uint8Array {
    return this.domain.readMemory(at, size);
  }

  /** What stage 2 has at an address, whoever's it is. */
  mapped(ipa: number): Uint8Array | undefined {
    const found = this.domain.space.lookup(ipa);
    return found && this.kit.machine.memory.view(found.pa, 4096 - ipa % 4096);
  }
}

/** A field: bytes, and value. */
export type Field = readonly [size: 1 | 2 | 4 | 8, value: number | bigint];

/** Fields, one after the other. */
export function encode(fields: readonly Field[]): Uint8Array {
  return Uint8Array.from(fields.flatMap(([size, value]) => {
    const wide = BigInt.asUintN(64, BigInt(value));
    return Array.from({ length: size }, (_, n) => Number(wide >> BigInt(8 * n) & 0xffn));
  }));
}
