/** Sets plugins up and attaches them: contexts, capabilities, hooks, and whom to blame. */
import type { Board, PluginUse } from "../board/board.ts";
import type { Capability } from "./capability.ts";
import { assign } from "../snapshot/assign.ts";
import { ClaimTable } from "../machine/claims.ts";
import { decode, encode } from "../snapshot/codec.ts";
import type { VirtualClock } from "../schedule/virtual_clock.ts";
import type { BoardContext, DomainContext, RunHooks, SnapshotHooks } from "./context.ts";
import { openDiskFile } from "../host/disk.ts";
import type { DiskOpener } from "../host/disk.ts";
import type { Domain, Outcome } from "../machine/domain.ts";
import { OptionError } from "../board/errors.ts";
import type { FolderOpener } from "../host/folder.ts";
import type { HostCache } from "../host/host_cache.ts";
import { openHostFolder } from "../host/host_folder.ts";
import { OpenFiles } from "../host/open_files.ts";
import { PluginError } from "./plugin_errors.ts";
import { orderByNeeds } from "./order.ts";
import { pluginOf } from "./plugin.ts";
import type { PhysicalBus, PhysicalMemory } from "../memory/physical_memory.ts";
import { randomBytes, randomState } from "../host/random.ts";
import type { RandomState } from "../host/random.ts";
import { Serial } from "../host/serial.ts";
import type { SerialHub } from "../host/serial_hub.ts";
import { SnapshotError } from "../snapshot/snapshot_error.ts";
import type { SocketHub } from "../host/socket_hub.ts";

/** What the host needs of the machine. */
export interface HostEnvironment {
  readonly board: Board;
  readonly clock: VirtualClock;
  readonly serial: SerialHub;
  readonly sockets: SocketHub;
  readonly memory: PhysicalMemory;
  readonly bus: PhysicalBus;
  readonly images: ReadonlyMap<string, Uint8Array>;
  readonly bootTimeSeconds: number;
  /** Absent: files of the host. */
  readonly openDisk?: DiskOpener;
  /** Absent: folders of the host. */
  readonly openFolder?: FolderOpener;
  readonly cache?: HostCache;
  trace(kind: string, detail: () => string): void;
  /** A plugin threw after boot. Without a domain, the whole board is concerned. */
  failed(owner: string, hook: string, error: unknown, domain?: Domain): void;
}

/** A plugin in use, with its state. */
export interface Instance {
  /** `pl011` at board scope, `linux/pl011` in a domain; a second one is `linux/pl011#2`. */
  readonly owner: string;
  readonly use: PluginUse;
  readonly state: unknown;
  /** What `context.random` gives next. */
  readonly random: RandomState;
}

/** An instance in a snapshot. */
export interface SavedInstance {
  readonly owner: string;
  /** Encoded. */
  readonly state: Uint8Array;
  readonly random: RandomState;
}

/** A hook and who registered it. */
export interface Hooked<T> {
  readonly owner: string;
  readonly hook: T;
}

/** A capability's implementation. */
export interface Provided {
  readonly owner: string;
  readonly value: unknown;
}

/** Everything that was registered at one scope: the board, or one domain. */
export class Scope {
  readonly claims: ClaimTable;
  readonly runHooks: Hooked<RunHooks>[] = [];
  readonly bootHooks: Hooked<() => void>[] = [];
  readonly endHooks: Hooked<(outcome: Outcome) => void>[] = [];
  readonly snapshotHooks: Hooked<SnapshotHooks>[] = [];
  readonly instances: Instance[] = [];
  readonly capabilities: Map<string, Provided> = new Map();
  /** What uses provide of capabilities that several may provide, by use and name. */
  readonly many: Map<PluginUse, Map<string, Provided>> = new Map();
  /** What plugins hold beyond what is here, by what it is. */
  readonly held: Hooked<{ readonly what: string; readonly count: () => number }>[] = [];
  readonly #undo: (() => void)[] = [];
  readonly #stopHooks: Hooked<() => void>[] = [];

  constructor(readonly parent?: Scope, readonly domain?: Domain) {
    this.claims = new ClaimTable(parent?.claims);
  }

  /** Something to undo when the scope goes. */
  own(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** How much there is to do when it goes. */
  get size(): number {
    return this.#undo.length + this.#stopHooks.length;
  }

  onStop(hook: Hooked<() => void>): void {
    this.#stopHooks.push(hook);
  }

  find(name: string): Provided | undefined {
    return this.capabilities.get(name) ?? this.parent?.find(name);
  }

  /** Calls the end hooks, in order of registration. `failed` hears of hooks that throw. */
  ended(outcome: Outcome, failed: (owner: string, hook: string, error: unknown) => void): void {
    for (const { owner, hook } of this.endHooks.splice(0)) {
      try {
        hook(outcome);
      } catch (error) {
        failed(owner, "onEnd", error);
      }
    }
  }

  /** Calls the stop hooks, latest first, and undoes the rest. `failed` hears of hooks that throw. */
  close(failed: (owner: string, hook: string, error: unknown) => void): void {
    for (const { owner, hook } of this.#stopHooks.splice(0).reverse()) {
      try {
        hook();
      } catch (error) {
        failed(owner, "onStop", error);
      }
    }
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        undo();
      } catch (error) {
        failed("core", "undo", error);
      }
    }
  }
}

/** The plugins of a board. */
export class PluginHost {
  readonly board: Scope = new Scope();
  /** Disks and folders that plugins have open. */
  readonly files: OpenFiles = new OpenFiles();

  constructor(readonly environment: HostEnvironment) {}

  /** Sets the board's plugins up. Throws a {@linkcode PluginError} or {@linkcode OptionError}. */
  async setup(): Promise<void> {
    const uses = this.environment.board.plugins;
    const ordered = orderByNeeds(uses, (use) => use.plugin, "board", new Set([Serial.name]));
    for (const use of ordered) await this.setupOne(use);
  }

  /** Sets one plugin up at board scope. */
  async setupOne(use: PluginUse): Promise<Instance> {
    const { instance, context } = this.#instantiate(use, this.board);
    await this.#call(instance, "setup", () => pluginOf(use).setup?.(context));
    this.#checkProvided(instance, "board", this.board);
    return instance;
  }

  /** For a snapshot: the state of a scope's plugins. Throws a {@linkcode PluginError} for one that is no plain data, a refusal as it is. */
  save(scope: Scope): SavedInstance[] {
    for (const { owner, hook } of scope.snapshotHooks) {
      try {
        hook.save?.();
      } catch (error) {
        throw error instanceof SnapshotError ? error : new PluginError(owner, "onSnapshot save", error);
      }
    }
    return scope.instances.map(({ owner, state, random }) => ({
      owner,
      state: attribute(owner, "state", () => encode(state)),
      random: { ...random },
    }));
  }

  /** The counterpart of {@linkcode save}: into the state that is there, because handlers close over it. Takes `saved` for its own. */
  load(scope: Scope, saved: readonly SavedInstance[]): void {
    scope.instances.forEach((instance, index) => {
      const { owner, state, random } = saved[index];
      if (owner !== instance.owner) throw new PluginError(instance.owner, "load", new Error(`the snapshot has ${owner} here`));
      attribute(owner, "load", () => {
        if (instance.state !== undefined) assign(instance.state as object, decode(state), "state");
        Object.assign(instance.random, random);
      });
    });
  }

  /** Everything is there: what plugins derive from their state is derived anew. */
  restored(scope: Scope): void {
    for (const { owner, hook } of scope.snapshotHooks) attribute(owner, "onSnapshot restored", () => hook.restored?.());
  }

  /** What a domain's plugins keep over a reboot, by owner. */
  keep(scope: Scope): Map<string, object> {
    const kept = new Map<string, object>();
    for (const { owner, use, state } of scope.instances) {
      const { keep } = pluginOf(use);
      if (keep === undefined) continue;
      try {
        kept.set(owner, structuredClone(keep(state)));
      } catch (error) {
        throw new PluginError(owner, "keep", error);
      }
    }
    return kept;
  }

  /**
   * Attaches the board's plugins and the domain's own to a domain. When it throws, the caller closes the scope.
   * `kept`: what {@linkcode keep} gave before a reboot.
   */
  async attach(domain: Domain, scope: Scope, kept: ReadonlyMap<string, object> = new Map()): Promise<void> {
    const uses = [...this.environment.board.plugins, ...domain.spec.plugins];
    const given = new Set([Serial.name, ...this.board.capabilities.keys()]);
    for (const use of domain.spec.plugins) {
      for (const key of use.plugin.needs ?? []) {
        if (key.scope === "board" && !given.has(key.name)) {
          throw new Error(`plugin ${use.plugin.name} needs ${key.name}, which nobody provides`);
        }
      }
    }
    for (const use of orderByNeeds(uses, (item) => item.plugin, "domain", new Set())) {
      await this.attachOne(use, scope, kept);
    }
  }

  /** Attaches one plugin to the scope's domain. */
  async attachOne(use: PluginUse, scope: Scope, kept: ReadonlyMap<string, object> = new Map()): Promise<Instance> {
    const { instance, context } = this.#instantiate(use, scope);
    if (instance.state !== undefined) Object.assign(instance.state as object, kept.get(instance.owner));
    await this.#call(instance, "attach", () => pluginOf(use).attach?.(context as DomainContext<unknown, unknown>));
    this.#checkProvided(instance, "domain", scope);
    return instance;
  }

  /** Runs a domain's boot hooks, in order of registration. */
  async boot(scope: Scope): Promise<void> {
    for (const { owner, hook } of scope.bootHooks) await this.#call({ owner }, "onBoot", hook);
  }

  async #call(
    instance: { readonly owner: string; readonly use?: PluginUse },
    hook: string,
    body: () => void | Promise<void>,
  ): Promise<void> {
    try {
      await body();
    } catch (error) {
      if (error instanceof OptionError) {
        error.path ??= error.option === undefined ? instance.use?.path : [...(instance.use?.path ?? []), error.option];
        throw error;
      }
      if (error instanceof PluginError) throw error;
      throw new PluginError(instance.owner, hook, error);
    }
  }

  #checkProvided(instance: Instance, kind: "board" | "domain", scope: Scope): void {
    for (const key of instance.use.plugin.provides ?? []) {
      if (key.scope === kind && !scope.capabilities.has(key.name)) {
        throw new PluginError(instance.owner, kind === "board" ? "setup" : "attach", `it declares ${key.name} and didn't provide it`);
      }
    }
  }

  #instantiate(use: PluginUse, scope: Scope): { instance: Instance; context: BoardContext<unknown, unknown> } {
    const { board, clock, serial, sockets, memory, bus, images, bootTimeSeconds, trace, failed } = this.environment;
    const { plugin, options } = use;
    const { domain } = scope;
    const label = domain ? `${domain.name}/${plugin.name}` : plugin.name;
    const twins = scope.instances.filter((other) => other.use.plugin.name === plugin.name).length;
    const owner = twins === 0 ? label : `${label}#${twins + 1}`;
    const random = randomState(board.seed, owner);
    const instance: Instance = { owner, use, state: pluginOf(use).state?.(options), random };
    scope.instances.push(instance);
    const guard = (hook: string, callback: () => void) => {
      try {
        callback();
      } catch (error) {
        failed(owner, hook, error, domain);
      }
    };
    const own = (undo: () => void) => scope.own(undo);
    const find = (key: Capability<unknown>): unknown =>
      key.name === Serial.name ? serial.forInstance(owner, guard, own) : scope.find(key.name)?.value;
    const context: BoardContext<unknown, unknown> = {
      options,
      state: instance.state,
      board,
      memory,
      bus: {
        claim: (at, size, name, handler) => bus.claim(at, size, name === "" ? owner : `${owner} (${name})`, handler),
        find: (pa) => bus.find(pa),
      },
      clock: clock.forInstance(owner, guard, own),
      random: (bytes) => randomBytes(random, bytes),
      host: {
        image(reference) {
          const image = images.get(reference);
          if (image === undefined) throw new Error(`image ${JSON.stringify(reference)} was not loaded: no option of kind "image" names it`);
          return image;
        },
        disk: (path, mode) => this.files.disk(this.environment.openDisk ?? openDiskFile, besideManifest(path, board.file), mode, own),
        sockets: sockets.forInstance(guard, own, (path) => besideManifest(path, board.file)),
        folder: (path, mode) =>
          this.files.folder(this.environment.openFolder ?? openHostFolder, besideManifest(path, board.file), mode, own),
        bootTimeSeconds,
        cache: this.environment.cache,
      },
      exceptions: scope.claims.forInstance(owner),
      get<T>(key: Capability<T>): T {
        if (!plugin.needs?.some((need) => need.name === key.name)) throw new Error(`it uses ${key.name}, which its "needs" doesn't list`);
        const value = find(key);
        if (value === undefined) throw new Error(`nobody provides ${key.name} at this point`);
        return value as T;
      },
      find: <T>(key: Capability<T>) => find(key) as T | undefined,
      provide(key, value) {
        if (!plugin.provides?.some((provided) => provided.name === key.name)) {
          throw new Error(`it provides ${key.name}, which its "provides" doesn't list`);
        }
        if ((key.scope === "domain") !== (domain !== undefined)) {
          throw new Error(`${key.name} is a capability of the ${key.scope}: provide it in ${key.scope === "domain" ? "attach" : "setup"}`);
        }
        const other = scope.find(key.name);
        if (other && !key.many) throw new Error(`${key.name} is provided by ${other.owner} already`);
        if (!other) scope.capabilities.set(key.name, { owner, value });
        if (!key.many) return;
        if (!scope.many.has(use)) scope.many.set(use, new Map());
        scope.many.get(use)!.set(key.name, { owner, value });
      },
      onRun: (hooks) => {
        scope.runHooks.push({ owner, hook: hooks });
      },
      onStop: (hook) => scope.onStop({ owner, hook }),
      onSnapshot: (hook) => {
        scope.snapshotHooks.push({ owner, hook });
      },
      holds: (what, count) => {
        scope.held.push({ owner, hook: { what, count } });
      },
      trace: (kind, detail) => trace(kind, () => `${owner}: ${detail()}`),
      fail(option, message) {
        throw new OptionError(option, message, [...use.path, option]);
      },
    };
    if (domain === undefined) return { instance, context };
    const attached: DomainContext<unknown, unknown> = Object.assign(context, {
      domain,
      onBoot: (hook: () => void) => {
        scope.bootHooks.push({ owner, hook });
      },
      onEnd: (hook: (outcome: Outcome) => void) => {
        scope.endHooks.push({ owner, hook });
      },
    });
    return { instance, context: attached };
  }
}

/** Says whose error it is. */
function attribute<T>(owner: string, hook: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw new PluginError(owner, hook, error);
  }
}

/** Paths of the manifest are relative to it. */
function besideManifest(path: string, manifest: string): string {
  return /^([/\\]|[A-Za-z]:)/.test(path) ? path : manifest.replace(/[^/\\]*$/, "") + path;
}
