/**
 * A test bench for plugins: a domain with fake CPUs, fake memory backend and (unless the plugin under test provides
 * them) fake interrupts, but with core's own clock, exception dispatch, physical memory and contexts.
 *
 *     const kit = await bench();
 *     await kit.attach(pl011, { at: 0x900_0000, interrupt: 33, port: "console" });
 *     kit.write32(0x900_0000, 0x41);
 *     assertEquals(kit.output("console"), "A");
 */
import type { Board, PluginUse } from "../board/board.ts";
import { DeviceBus } from "../memory/bus.ts";
import type { Capability } from "../plugin/capability.ts";
import { VirtualClock } from "../schedule/virtual_clock.ts";
import { CpuEngine } from "../arch/cpu_engine.ts";
import type { DiskOpener } from "../host/disk.ts";
import type { FolderOpener } from "../host/folder.ts";
import { dispatch } from "../machine/dispatch.ts";
import type { Next } from "../machine/dispatch.ts";
import { PluginError } from "../plugin/plugin_errors.ts";
import { GuestDomain } from "../machine/guest_domain.ts";
import type { Domain, Vcpu } from "../machine/domain.ts";
import type { PhysicalMemory } from "../memory/physical_memory.ts";
import type { GuestVcpu } from "../machine/guest_vcpu.ts";
import { Interrupts } from "../arch/interrupts.ts";
import { MemoryBackend } from "../memory/memory_backend.ts";
import type { Plugin } from "../plugin/plugin.ts";
import { PluginHost, Scope } from "../plugin/plugin_host.ts";
import { Ram } from "../memory/ram.ts";
import { SerialHub } from "../host/serial_hub.ts";
import { SocketHub } from "../host/socket_hub.ts";
import type { SocketDriver } from "../host/host_sockets.ts";
import { silentSockets } from "./fake_sockets.ts";
import { FakeEngine } from "./fake_cpu.ts";
import type { FakeVcpuState } from "./fake_cpu.ts";
import { FakeInterrupts } from "./fake_interrupts.ts";
import { FakeMemoryBackend } from "./fake_memory.ts";

/** What a bench may be told. */
export interface BenchOptions {
  /** vCPUs of the domain; 1 when absent. */
  readonly vcpus?: number;
  /** Guest RAM; 1 MiB at 0x4000_0000 when absent. */
  readonly memory?: { readonly at: number; readonly size: number };
  /** False: no fake interrupt controller, because a plugin under test is one. */
  readonly interrupts?: boolean;
  /** Overrides of the board. */
  readonly board?: Partial<Board>;
  /** Images by reference. */
  readonly images?: ReadonlyMap<string, Uint8Array>;
  /** Where disk images are; files of the host when absent. */
  readonly openDisk?: DiskOpener;
  /** Where shared folders are; folders of the host when absent. */
  readonly openFolder?: FolderOpener;
  /** Whom the host's sockets belong to; a world that never answers when absent. */
  readonly sockets?: SocketDriver;
  /** Capabilities that the plugin under test needs. */
  readonly provide?: readonly (readonly [key: Capability<unknown>, implementation: unknown])[];
}

/** A domain to attach plugins to. */
export class Bench {
  /** CPUs that run what the test says, not code. */
  readonly engine: FakeEngine = new FakeEngine();
  /** Lines, and their levels. */
  readonly interrupts: FakeInterrupts = new FakeInterrupts();
  /**
   * Virtual time; {@linkcode advance} lets it pass.
   * @internal
   */
  readonly clock: VirtualClock = new VirtualClock(() => this.engine.kick());
  /** The guest. */
  readonly domain: Domain & { destroy(): void };
  /** RAM, and who owns it. */
  readonly memory: PhysicalMemory;
  /** As if a manifest had said it. */
  readonly board: Board;
  /** @internal */
  readonly host: PluginHost;
  /**
   * What was registered for the domain.
   * @internal
   */
  readonly scope: Scope;
  /** Trace events: `"unknown call: ..."`. */
  readonly traced: string[] = [];
  readonly #guest: GuestDomain;
  readonly #serial = new SerialHub(this.clock);
  readonly #sockets: SocketHub;
  readonly #output = new Map<string, number[]>();

  /** {@linkcode bench} makes one. */
  constructor(options: BenchOptions) {
    const ram = options.memory ?? { at: 0x4000_0000, size: 0x10_0000 };
    const backend = new FakeMemoryBackend();
    const spec = { name: "guest", vcpus: options.vcpus ?? 1, memory: [ram], plugins: [] };
    this.memory = new Ram([{ at: 0x4000_0000, size: Math.max(ram.size * 2, 0x10_0000) }]);
    this.board = {
      name: "bench",
      doc: "",
      file: "bench.yaml",
      seed: 1,
      time: "virtual",
      nsPerInstruction: 1,
      pcpus: 1,
      memory: this.memory.banks.map(({ base, size }) => ({ at: base, size })),
      plugins: [],
      domains: [spec],
      ...options.board,
    };
    this.#sockets = new SocketHub(this.clock, options.sockets ?? silentSockets);
    this.host = new PluginHost({
      board: this.board,
      clock: this.clock,
      serial: this.#serial,
      sockets: this.#sockets,
      memory: this.memory,
      bus: new DeviceBus(this.memory),
      images: options.images ?? new Map(),
      bootTimeSeconds: 1_700_000_000,
      openDisk: options.openDisk,
      openFolder: options.openFolder,
      trace: (kind, detail) => this.traced.push(`${kind}: ${detail()}`),
      failed: (owner, hook, error) => {
        throw new PluginError(owner, hook, error);
      },
    });
    const board = this.host.board;
    board.capabilities.set(CpuEngine.name, { owner: "bench", value: this.engine });
    board.capabilities.set(MemoryBackend.name, { owner: "bench", value: backend });
    let ids = 0;
    this.domain = this.#guest = new GuestDomain(spec, {
      engine: this.engine,
      backend,
      memory: this.memory,
      nextVcpuId: () => ids++,
      listener: {
        nowNs: 0,
        woke: () => {},
        slept: () => {},
        kicked: (vcpu) => this.#kicked(vcpu),
      },
      vcpuReset: (vcpu) => this.#hooks("reset", vcpu),
      ended: ({ outcome }) =>
        this.scope.ended(outcome!, (owner, hook, error) => {
          throw new PluginError(owner, hook, error);
        }),
    });
    this.scope = new Scope(board, this.#guest);
    if (options.interrupts !== false) this.scope.capabilities.set(Interrupts.name, { owner: "bench", value: this.interrupts });
    for (const [key, value] of options.provide ?? []) {
      (key.scope === "board" ? board : this.scope).capabilities.set(key.name, { owner: "bench", value });
    }
  }

  /** Runs a plugin's `setup` (with `boardScope`) and `attach`, with options as the manifest's check would hand them over. Returns its state. */
  async attach<O, S>(plugin: Plugin<O, S>, options: O, { boardScope = false }: { boardScope?: boolean } = {}): Promise<S> {
    const use: PluginUse = { plugin, options: withDefaults(plugin, options), path: ["bench"] };
    if (boardScope) await this.host.setupOne(use);
    return (await this.host.attachOne(use, this.scope)).state as S;
  }

  /** A capability that a plugin provided. */
  get<T>(key: Capability<T>): T {
    const found = this.scope.find(key.name);
    if (found === undefined) throw new Error(`nobody provides ${key.name}`);
    return found.value as T;
  }

  /** Runs the boot hooks. */
  boot(): Promise<void> {
    return this.host.boot(this.scope);
  }

  /** A virtual CPU. */
  vcpu(index = 0): GuestVcpu {
    return this.#guest.vcpus[index];
  }

  /** Registers of a virtual CPU. */
  state(index = 0): FakeVcpuState {
    return this.domain.vcpus[index].state as FakeVcpuState;
  }

  /** Calls the entry hooks, as the machine does before a vCPU runs. */
  enter(index = 0): void {
    this.#hooks("entry", this.vcpu(index));
  }

  /** Calls the exit hooks. */
  exit(index = 0): void {
    this.#hooks("exit", this.vcpu(index));
  }

  /** {@linkcode read} of 8 bits. */
  read8 = (ipa: number, vcpu = 0): number => Number(this.read(ipa, 1, vcpu));
  /** {@linkcode read} of 16 bits. */
  read16 = (ipa: number, vcpu = 0): number => Number(this.read(ipa, 2, vcpu));
  /** {@linkcode read} of 32 bits. */
  read32 = (ipa: number, vcpu = 0): number => Number(this.read(ipa, 4, vcpu));
  /** {@linkcode read} of 64 bits. */
  read64 = (ipa: number, vcpu = 0): bigint => this.read(ipa, 8, vcpu);
  /** {@linkcode write} of 8 bits. */
  write8 = (ipa: number, value: number | bigint, vcpu = 0): void => this.write(ipa, 1, value, vcpu);
  /** {@linkcode write} of 16 bits. */
  write16 = (ipa: number, value: number | bigint, vcpu = 0): void => this.write(ipa, 2, value, vcpu);
  /** {@linkcode write} of 32 bits. */
  write32 = (ipa: number, value: number | bigint, vcpu = 0): void => this.write(ipa, 4, value, vcpu);
  /** {@linkcode write} of 64 bits. */
  write64 = (ipa: number, value: number | bigint, vcpu = 0): void => this.write(ipa, 8, value, vcpu);

  /** A load by a guest, through the data abort that it takes. Throws when it was answered with an abort. */
  read(ipa: number, size: number, vcpu = 0): bigint {
    this.#access(ipa, size, false, vcpu);
    return this.state(vcpu).x(9);
  }

  /** A store by a guest. Throws when it was answered with an abort. */
  write(ipa: number, size: number, value: number | bigint, vcpu = 0): void {
    this.state(vcpu).setX(9, BigInt(value));
    this.#access(ipa, size, true, vcpu);
  }

  /** A call by HVC or SMC. Returns X0 (and what comes next for the vCPU: "run", "wait", "stopped"). */
  call(
    functionId: number,
    args: readonly (number | bigint)[] = [],
    { conduit = "hvc", vcpu = 0 }: { conduit?: "hvc" | "smc"; vcpu?: number } = {},
  ): { x0: bigint; next: Next } {
    const state = this.state(vcpu);
    state.setX(0, BigInt(functionId));
    args.forEach((value, n) => state.setX(n + 1, BigInt.asUintN(64, BigInt(value))));
    const next = this.trap(conduit === "hvc" ? 0x16 : 0x17, 0, vcpu);
    return { x0: state.x(0), next };
  }

  /** MRS of a trapped system register. */
  mrs(register: string, vcpu = 0): bigint {
    const handler = this.scope.claims.register(register)?.handler;
    if (handler?.read === undefined) throw new Error(`nobody answers reads of ${register}`);
    return handler.read(this.vcpu(vcpu));
  }

  /** MSR to a trapped system register. */
  msr(register: string, value: number | bigint, vcpu = 0): void {
    const handler = this.scope.claims.register(register)?.handler;
    if (handler?.write === undefined) throw new Error(`nobody answers writes to ${register}`);
    handler.write(this.vcpu(vcpu), BigInt(value));
  }

  /** An exception to EL2: exception class and ISS. FAR_EL2 and HPFAR_EL2 are what the state has. */
  trap(ec: number, iss: number, vcpu = 0): Next {
    this.#powerUp(vcpu);
    this.state(vcpu).write("ESR_EL2", BigInt(ec) << 26n | 1n << 25n | BigInt(iss));
    return dispatch(this.vcpu(vcpu), {
      claims: this.scope.claims,
      engine: this.engine,
      trace: (kind, detail) => this.traced.push(`${kind}: ${detail()}`),
      count: () => {},
      failed: (owner, hook, error) => {
        throw new PluginError(owner, hook, error);
      },
    });
  }

  /** Lets virtual time pass; timers fire on the way, each at its time. */
  advance(ns: number): void {
    const end = this.clock.nowNs + ns;
    for (;;) {
      const next = this.clock.events.next;
      if (next === undefined || next.ns > end) break;
      this.clock.skipTo(next.ns);
      this.clock.events.takeDue(this.clock.nowNs)!.fire();
    }
    this.clock.skipTo(end);
  }

  /** What plugins asked of the host's sockets goes out, and what came back comes in. */
  exchange(): void {
    this.#sockets.flush();
    this.#sockets.deliver();
    this.advance(0);
  }

  /** Bytes from outside to a serial port; they arrive at once. */
  input(port: string, text: string | Uint8Array): void {
    this.#serial.input(port, typeof text === "string" ? new TextEncoder().encode(text) : text);
    this.advance(0);
  }

  /** All that a serial port put out so far. */
  output(port: string): string {
    this.#serial.flush((name, bytes) => this.#output.set(name, [...(this.#output.get(name) ?? []), ...bytes]));
    return new TextDecoder().decode(Uint8Array.from(this.#output.get(port) ?? []));
  }

  /** {@linkcode close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Destroys the domain. */
  close(): void {
    this.scope.close((owner, hook, error) => {
      throw new PluginError(owner, hook, error);
    });
    this.domain.destroy();
    this.#sockets.close();
  }

  /** A vCPU that takes an exception is on. */
  #powerUp(index: number): void {
    const vcpu = this.vcpu(index);
    if (vcpu.power !== "off") return;
    const x = Array.from({ length: 31 }, (_, n) => vcpu.state.x(n));
    vcpu.start(vcpu.state.pc, 0n);
    x.forEach((value, n) => vcpu.state.setX(n, value));
  }

  #hooks(kind: "entry" | "exit" | "reset", vcpu: Vcpu): void {
    for (const { hook } of [...this.host.board.runHooks, ...this.scope.runHooks]) hook[kind]?.(vcpu);
  }

  /** As the scheduler does it: list registers are refilled before the look. */
  #kicked(vcpu: GuestVcpu): void {
    if (vcpu.power !== "blocked") return;
    this.#hooks("entry", vcpu);
    const pending = vcpu.state.wakeupPending();
    this.#hooks("exit", vcpu);
    if (pending) vcpu.unblock();
  }

  #access(ipa: number, size: number, write: boolean, vcpu: number): void {
    const state = this.state(vcpu);
    state.write("FAR_EL2", BigInt(ipa));
    state.write("HPFAR_EL2", BigInt(Math.floor(ipa / 4096)) << 4n);
    const injected = state.injected.length;
    // ISV, SAS, SRT = 9, SF, WnR; translation fault at level 3.
    this.trap(0x24, 1 << 24 | Math.log2(size) << 22 | 9 << 16 | 1 << 15 | (write ? 1 << 6 : 0) | 0b000111, vcpu);
    if (state.injected.length > injected) {
      state.injected.pop();
      throw new Error(`${write ? "write" : "read"} of ${size} bytes at IPA 0x${ipa.toString(16)}: ${this.traced.at(-1)}`);
    }
  }
}

function withDefaults<O>(plugin: Plugin<O>, options: O): Readonly<Record<string, unknown>> {
  const complete: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(plugin.options)) if (spec.default !== undefined) complete[name] = spec.default;
  return { ...complete, ...(options as Record<string, unknown>) };
}

/** Makes a bench. */
export function bench(options: BenchOptions = {}): Bench {
  return new Bench(options);
}
