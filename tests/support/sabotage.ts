/** Makes what plugins ask for fail, at a chosen moment: frames, address spaces, vCPUs, mappings, claims, timers, files, the plugins themselves. */
import { CpuEngine, definePlugin, MemoryBackend, plugins } from "../../mod.ts";
import type { PhysicalMemory, Plugin } from "../../mod.ts";

/** What may fail: methods of the context, and of what it holds. What can't fail in a machine isn't there: hooks, traces. */
const FALLIBLE: Readonly<Record<string, readonly string[] | true>> = {
  get: true,
  find: true,
  provide: true,
  random: true,
  clock: ["timer"],
  exceptions: ["claim", "claimCalls", "claimImmediate", "claimRegister", "claimMmio", "claimOtherMmio"],
  bus: ["claim"],
  host: ["image", "disk", "folder"],
};

type Methods = Record<string, (...args: unknown[]) => unknown>;

/** Counts what may fail, and makes one of it fail. */
export class Saboteur {
  /** What happened since {@linkcode arm}, in order. */
  readonly seen: string[] = [];
  #target = -1;

  /** The `n`th thing from now on fails; without a number nothing does, but all is counted. */
  arm(n = -1): void {
    this.seen.length = 0;
    this.#target = n;
  }

  /** Plugins that go in place of the built-in ones, and one that a board's `plugins` must name: `sabotage`. */
  get plugins(): Plugin[] {
    return [...plugins.map((plugin) => this.#wrapped(plugin)), this.#own()];
  }

  /** It happens. */
  #tick(what: string): void {
    this.seen.push(what);
    if (this.seen.length - 1 === this.#target) throw new Error(`sabotage of ${what}`);
  }

  #wrapped(plugin: Plugin): Plugin {
    const { attach } = plugin;
    if (attach === undefined) return plugin;
    return {
      ...plugin,
      attach: async (context) => {
        this.#tick(`${plugin.name}, before attach`);
        const { onBoot } = context;
        await attach({
          ...this.#watched(context, plugin.name),
          onBoot: (hook) =>
            onBoot(async () => {
              this.#tick(`${plugin.name}, before onBoot`);
              await hook();
              this.#tick(`${plugin.name}, after onBoot`);
            }),
        });
        this.#tick(`${plugin.name}, after attach`);
      },
    };
  }

  /** The context, with what may fail in it watched. */
  #watched<T extends object>(context: T, plugin: string): T {
    const watched: Record<string, unknown> = {};
    for (const [key, methods] of Object.entries(FALLIBLE)) {
      const part = (context as Methods)[key];
      watched[key] = methods === true ? this.#before(part, `${plugin}, ${key}`) : new Proxy(part as object, {
        get: (target, name) => {
          const value = (target as Methods)[String(name)];
          return methods.includes(String(name)) ? this.#before(value, `${plugin}, ${key}.${String(name)}`) : value;
        },
      });
    }
    return { ...context, ...watched };
  }

  #before(method: (...args: unknown[]) => unknown, what: string): (...args: unknown[]) => unknown {
    return (...args) => {
      this.#tick(what);
      return method(...args);
    };
  }

  #own(): Plugin {
    return definePlugin({
      name: "sabotage",
      doc: "A test's.",
      options: {},
      needs: [CpuEngine, MemoryBackend],
      setup: ({ get, memory }) => {
        const [engine, backend] = [get(CpuEngine), get(MemoryBackend)];
        const before = (target: object, key: string, what: string) => {
          const methods = target as Methods;
          methods[key] = this.#before(methods[key].bind(target), what);
        };
        before(engine, "createVcpu", "a vCPU");
        before(backend, "createAddressSpace", "an address space");
        const create = backend.createAddressSpace.bind(backend);
        backend.createAddressSpace = (name, colours) => {
          const space = create(name, colours);
          before(space, "map", "a mapping");
          before(space, "install", "EL2's registers");
          return space;
        };
        for (const key of ["allocate", "allocateAt", "reference"] as const satisfies readonly (keyof PhysicalMemory)[]) {
          before(memory, key, `memory.${key}`);
        }
      },
    });
  }
}
