/** The lives of a board's domains: who is there, how one comes, starts over and goes, and whose end ends the run. */
import type { Board, DomainSpec } from "../board/board.ts";
import { FIRST_CRASH, LAST_DOMAIN } from "../board/manifest_keys.ts";
import type { CpuEngine } from "../arch/cpu_engine.ts";
import { coloursOf } from "../board/cache_colour_check.ts";
import type { DispatchEnvironment, ExitKind } from "./dispatch.ts";
import type { Domain, Outcome } from "./domain.ts";
import { GuestDomain } from "./guest_domain.ts";
import type { SavedDomain } from "./guest_domain.ts";
import type { GuestVcpu } from "./guest_vcpu.ts";
import type { StopReason } from "./machine_types.ts";
import type { MemoryBackend } from "../memory/memory_backend.ts";
import { PluginError } from "../plugin/plugin_errors.ts";
import { Scope } from "../plugin/plugin_host.ts";
import type { PluginHost, SavedInstance } from "../plugin/plugin_host.ts";
import type { Ram } from "../memory/ram.ts";
import type { RunHookLists, Scheduler } from "../schedule/scheduler.ts";
import type { Tracer } from "./trace.ts";

/** What the board's plugins brought. */
export interface Hardware {
  readonly engine: CpuEngine;
  readonly backend: MemoryBackend;
  readonly scheduler: Scheduler;
}

/** What lives need of the machine. */
export interface LifeEnvironment {
  readonly board: Board;
  readonly host: PluginHost;
  readonly memory: Ram;
  readonly tracer: Tracer;
  /** Exceptions to EL2, by kind. */
  readonly exits: Map<string, number>;
  /** Asked when a domain is built: the plugins are set up by then. */
  hardware(): Hardware;
}

/** A domain, and what its vCPUs' exits need of it: made once, used at each of them. */
interface Resident {
  readonly scope: Scope;
  readonly hooks: RunHookLists;
  readonly environment: DispatchEnvironment;
}

/** All domains in a snapshot. */
export interface SavedLife {
  /** In the order in which they came. */
  readonly domains: SavedDomain[];
  readonly plugins: SavedInstance[][];
  /** Names, in the order in which they ended. */
  readonly ended: string[];
  readonly paused: string[];
  readonly destroyed: string | undefined;
  readonly reboots: number;
}

/** All domains of a machine. */
export class DomainLife {
  /** Domains that started over. */
  reboots = 0;
  readonly #residents = new Map<Domain, Resident>();
  readonly #ended: GuestDomain[] = [];
  /** Held by whoever operates the machine; by name, because it outlasts a reboot. */
  readonly #paused = new Set<string>();
  /** Destroyed last, with nobody created since. */
  #destroyed: string | undefined;

  constructor(readonly environment: LifeEnvironment) {}

  /** Also those that ended and weren't destroyed. */
  get domains(): readonly Domain[] {
    return [...this.#residents.keys()];
  }

  /** Throws when there is none of that name. */
  named(name: string): Domain {
    const found = this.find(name);
    if (found === undefined) {
      throw new Error(`there is no domain ${name}; there is ${this.domains.map((domain) => domain.name).join(", ") || "none"}`);
    }
    return found;
  }

  find(name: string): Domain | undefined {
    return this.domains.find((domain) => domain.name === name);
  }

  /** True for a domain that {@linkcode pause} holds. */
  isPaused(domain: Domain): boolean {
    return this.#paused.has(domain.name);
  }

  /** True when {@linkcode pause} holds anybody. */
  get anyPaused(): boolean {
    return this.#paused.size > 0;
  }

  /** Holds a domain until {@linkcode unpause}, over reboots as well. False when it is held already, or has ended. */
  pause(domain: Domain): boolean {
    if (domain.outcome !== undefined || this.isPaused(domain)) return false;
    this.#paused.add(domain.name);
    domain.pause();
    return true;
  }

  /** The counterpart of {@linkcode pause}; false when nobody holds it. */
  unpause(domain: Domain): boolean {
    if (!this.#paused.delete(domain.name)) return false;
    domain.unpause();
    return true;
  }

  /** For a snapshot, between runs. */
  save(): SavedLife {
    const { host } = this.environment;
    const domains = [...this.#residents.keys()] as GuestDomain[];
    return {
      domains: domains.map((domain) => domain.save()),
      plugins: domains.map((domain) => host.save(this.#residents.get(domain)!.scope)),
      ended: this.#ended.map(({ name }) => name),
      paused: [...this.#paused],
      destroyed: this.#destroyed,
      reboots: this.reboots,
    };
  }

  /** The counterpart of {@linkcode save}, when the same domains have been built in the same order, and memory is there. */
  load({ domains, plugins, ended, paused, destroyed, reboots }: SavedLife): void {
    const residents = [...this.#residents] as [GuestDomain, Resident][];
    residents.forEach(([domain, { scope }], index) => {
      domain.load(domains[index]);
      this.environment.host.load(scope, plugins[index]);
    });
    this.#ended.splice(0, this.#ended.length, ...ended.map((name) => this.named(name) as GuestDomain));
    this.#paused.clear();
    for (const name of paused) this.#paused.add(name);
    this.#destroyed = destroyed;
    this.reboots = reboots;
  }

  /** After {@linkcode load}, when the rest of the machine is there: the plugins' hooks. */
  restored(): void {
    for (const { scope } of this.#residents.values()) this.environment.host.restored(scope);
  }

  /** Hooks that concern a vCPU. */
  hooks(vcpu: GuestVcpu): RunHookLists {
    return this.#residents.get(vcpu.domain)?.hooks ?? [this.environment.host.board.runHooks];
  }

  /** What an exit of a domain's vCPU needs. */
  exitEnvironment(domain: Domain): DispatchEnvironment {
    return this.#residents.get(domain)!.environment;
  }

  /** What was registered for a domain. */
  scope(domain: Domain): Scope | undefined {
    return this.#residents.get(domain)?.scope;
  }

  /** Builds a domain and boots it. Nothing is left when it throws. */
  async create(spec: DomainSpec, kept: ReadonlyMap<string, object> = new Map()): Promise<Domain> {
    const before = this.#destroyed;
    try {
      const domain = await this.build(spec, kept);
      await this.boot(domain);
      return domain;
    } catch (error) {
      // Nobody came, so nobody went.
      this.#destroyed = before;
      throw error;
    }
  }

  /**
   * Memory, vCPUs and plugins. Nothing is left when it throws. `kept`: what plugins keep over a reboot; `ids`: of the vCPUs that come out of
   * a snapshot, with which {@linkcode load} comes next.
   */
  async build(spec: DomainSpec, kept: ReadonlyMap<string, object> = new Map(), ids?: readonly number[]): Promise<Domain> {
    this.#destroyed = undefined;
    if (this.find(spec.name)) throw new Error(`there is a domain ${spec.name} already`);
    const { host, memory } = this.environment;
    const { engine, backend, scheduler } = this.environment.hardware();
    const given = ids && [...ids];
    const takenIds = new Set(this.domains.flatMap(({ vcpus }) => vcpus.map(({ id }) => id)));
    const domain = new GuestDomain(spec, {
      engine,
      backend,
      memory,
      listener: scheduler,
      colours: coloursOf(this.environment.board, spec),
      nextVcpuId() {
        let id = given?.shift() ?? 0;
        while (takenIds.has(id)) id++;
        takenIds.add(id);
        return id;
      },
      vcpuReset: (vcpu) => this.#resetHooks(vcpu),
      ended: (ended) => this.#domainEnded(ended),
      isRestored: ids !== undefined,
    });
    const scope = new Scope(host.board, domain);
    this.#residents.set(domain, this.#resident(domain, scope, engine));
    try {
      for (const vcpu of domain.vcpus) scheduler.add(vcpu);
      if (this.isPaused(domain)) domain.pause();
      await host.attach(domain, scope, kept);
      this.#mustLive(domain);
    } catch (error) {
      this.destroy(domain);
      // A plugin that was waiting when its domain went has registered more since.
      this.#close(scope);
      throw error;
    }
    return domain;
  }

  /** Runs its boot hooks. Nothing is left of the domain when it throws. */
  async boot(domain: Domain): Promise<void> {
    this.#mustLive(domain);
    const { scope } = this.#residents.get(domain)!;
    try {
      await this.environment.host.boot(scope);
      this.#mustLive(domain);
    } catch (error) {
      this.destroy(domain);
      this.#close(scope);
      throw error;
    }
  }

  /** All of a domain goes and comes again, but for what its plugins keep. Throws when that can't be; then it is gone. */
  async reboot(domain: Domain): Promise<Domain> {
    const { host, tracer } = this.environment;
    const kept = host.keep(this.#residents.get(domain)!.scope);
    const paused = this.isPaused(domain);
    this.destroy(domain);
    if (paused) this.#paused.add(domain.name);
    this.reboots++;
    tracer.trace("domain reboots", () => domain.name);
    try {
      return await this.create(domain.spec, kept);
    } catch (error) {
      this.#paused.delete(domain.name);
      throw error;
    }
  }

  /**
   * Gives everything back that a domain holds. Nothing happens when it is gone already. What plugins throw meanwhile is traced. `withMachine`:
   * nothing runs any more.
   */
  destroy(domain: Domain, withMachine = false): void {
    const guest = domain as GuestDomain;
    const scope = this.#residents.get(guest)?.scope;
    if (scope === undefined) return;
    const { scheduler } = this.environment.hardware();
    for (const vcpu of guest.vcpus) {
      vcpu.stop();
      scheduler.remove(vcpu);
    }
    this.#close(scope);
    this.#residents.delete(guest);
    this.#paused.delete(guest.name);
    const ended = this.#ended.indexOf(guest);
    if (ended >= 0) this.#ended.splice(ended, 1);
    this.#destroyed = guest.name;
    try {
      guest.destroy(withMachine);
    } catch (error) {
      // Of a snapshot that lied about who owns what.
      this.environment.tracer.trace("plugin failure", () => new PluginError(guest.name, "destroy", error).message);
    }
  }

  /** A plugin threw: the domain crashes, or without one all do. */
  failed(owner: string, hook: string, error: unknown, domain?: Domain): void {
    const failure = new PluginError(owner, hook, error);
    const report = error instanceof Error && error.stack ? `${failure.message}\n${error.stack}` : failure.message;
    this.environment.tracer.trace("plugin failure", () => failure.message);
    for (const victim of domain ? [domain] : this.domains) victim.end({ kind: "crash", report });
  }

  /** Whose end ends the run is the board's `ends`; where it is the last one's, a crash is what counts then. A domain that wants to start over stops it at once. */
  stopReason(): StopReason | undefined {
    const { ends = LAST_DOMAIN } = this.environment.board;
    if (this.#destroyed !== undefined && (this.#residents.size === 0 || this.#destroyed === ends)) {
      return { kind: "destroyed", domain: this.#destroyed };
    }
    if (this.#ended.length === 0) return undefined;
    const pick = (kind: Outcome["kind"]) => this.#ended.find((domain) => domain.outcome!.kind === kind);
    const now = pick("reboot") ?? this.#ended.find(({ name }) => name === ends) ?? (ends === FIRST_CRASH ? pick("crash") : undefined);
    if (now === undefined && this.#ended.length < this.#residents.size) return undefined;
    const domain = now ?? pick("crash") ?? this.#ended[this.#ended.length - 1];
    const outcome = domain.outcome!;
    switch (outcome.kind) {
      case "crash":
        return { kind: "crash", domain: domain.name, report: outcome.report };
      case "reboot":
        return { kind: "reboot", domain: domain.name, cause: outcome.cause };
      case "power-off":
        return { kind: "power-off", domain: domain.name, code: outcome.code };
    }
  }

  #mustLive(domain: Domain): void {
    if (!this.#residents.has(domain)) throw new Error(`domain ${domain.name} was destroyed while it was being built`);
  }

  #close(scope: Scope): void {
    scope.close((owner, hook, error) => this.environment.tracer.trace("plugin failure", () => new PluginError(owner, hook, error).message));
  }

  #resident(domain: Domain, scope: Scope, engine: CpuEngine): Resident {
    const { host, tracer, exits } = this.environment;
    return {
      scope,
      hooks: [host.board.runHooks, scope.runHooks],
      environment: {
        claims: scope.claims,
        engine,
        trace: (kind, detail) => tracer.trace(kind, detail),
        count: (kind: ExitKind) => exits.set(kind, (exits.get(kind) ?? 0) + 1),
        failed: (owner, hook, error) => this.failed(owner, hook, error, domain),
      },
    };
  }

  #domainEnded(domain: GuestDomain): void {
    if (!this.#residents.has(domain)) return;
    this.#ended.push(domain);
    const { scheduler } = this.environment.hardware();
    for (const vcpu of domain.vcpus) scheduler.remove(vcpu);
    this.environment.tracer.trace("domain ended", () => `${domain.name}: ${domain.outcome!.kind}`);
    this.#residents.get(domain)!.scope.ended(domain.outcome!, (owner, hook, error) => this.failed(owner, hook, error, domain));
  }

  #resetHooks(vcpu: GuestVcpu): void {
    for (const { owner, hook } of this.hooks(vcpu).flat()) {
      try {
        hook.reset?.(vcpu);
      } catch (error) {
        this.failed(owner, "onRun reset", error, vcpu.domain);
      }
    }
  }
}
