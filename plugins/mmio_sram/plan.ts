/** From a manifest's `regions`, and the nodes of its platform, to SRAM regions of domains. Pure: `check` finds every mistake here. */
import { hex, nearest, PAGE_SIZE } from "../../core/mod.ts";
import type { Board, ManifestPath, Mapping, PlatformDevice, ResourceFinding } from "../../core/mod.ts";
import { childKeys, convert, regionKeys } from "./options.ts";
import type { ChildOptions, RegionOptions } from "./options.ts";

/** Options of the plugin. */
export interface MmioSramOptions {
  readonly regions: readonly unknown[];
  readonly nodes: boolean;
}

/** A part of a region with a use of its own. */
export interface SramChild {
  /** Of its node. */
  readonly name: string;
  /** Offset from the region. */
  readonly at: number;
  readonly size: number;
  readonly label?: string;
  readonly isExported: boolean;
  readonly isCode: boolean;
  readonly isPool: boolean;
  readonly node: PlatformDevice;
}

/** One SRAM of one domain. */
export interface SramRegion {
  /** For messages: the node's name. */
  readonly name: string;
  readonly at: number;
  readonly size: number;
  readonly ipa: number;
  readonly domain: string;
  readonly noMemoryWc: boolean;
  readonly isShared: boolean;
  readonly isKept: boolean;
  /** What the manifest says itself; the rest comes from the binding, and whoever registered for the node. */
  readonly type?: Mapping["type"];
  readonly permissions?: Pick<Mapping, "read" | "write" | "execute">;
  readonly children: readonly SramChild[];
  readonly node: PlatformDevice;
  readonly path: ManifestPath;
}

/** What came of it. */
export interface SramPlan {
  readonly regions: readonly SramRegion[];
  readonly findings: readonly ResourceFinding[];
}

/** The binding's name. */
export const COMPATIBLE = "mmio-sram";

/** Plans a board's SRAMs. */
export function planSram(options: MmioSramOptions, board: Board): SramPlan {
  const use = board.plugins.find((candidate) => candidate.options === options as unknown);
  return new Planner(options, board, use?.path ?? ["plugins"]).plan();
}

class Planner {
  readonly #findings: ResourceFinding[] = [];

  constructor(readonly options: MmioSramOptions, readonly board: Board, readonly path: ManifestPath) {}

  plan(): SramPlan {
    const given = this.options.regions.flatMap((raw, index) => this.#region(raw, [...this.path, "regions", index]) ?? []);
    const named = new Set(given.map(({ node }) => node.path));
    const found = this.options.nodes ? this.#nodes.filter(({ path }) => !named.has(path)) : [];
    const rest = found.flatMap((node) => this.#complete(node, defaults, [...this.path, "nodes"]) ?? []);
    return { regions: [...given, ...rest], findings: this.#findings };
  }

  get #nodes(): readonly PlatformDevice[] {
    return this.board.platform?.devices.filter(({ role }) => role === "sram") ?? [];
  }

  #region(raw: unknown, path: ManifestPath): SramRegion | undefined {
    const options = convert<RegionOptions>(raw, regionKeys, path, "a region", ["children"], this.#findings);
    if (options === undefined) return undefined;
    const node = options.node !== undefined
      ? this.#platformNode(options, path)
      : this.#ownNode(options, (raw as { children?: unknown }).children, path);
    return node && this.#complete(node, options, path);
  }

  #platformNode(options: RegionOptions, path: ManifestPath): PlatformDevice | undefined {
    const places = [{ path: [...path, "node"] }];
    if (options.at !== undefined || options.size !== undefined) {
      return this.#fail({ title: "a region is either a node of the platform or has at and size", places });
    }
    const node = this.#nodes.find((candidate) => candidate.path === options.node);
    if (node) return node;
    const paths = this.#nodes.map((candidate) => candidate.path);
    const close = nearest(options.node!, paths);
    return this.#fail({
      title: this.board.platform ? `the platform has no SRAM ${options.node}` : "the board has no platform that could have nodes",
      found: options.node,
      help: close ? `did you mean ${close}?` : paths.length ? `there is ${paths.join(", ")}` : "say at and size instead",
      places,
    });
  }

  /** A node as the binding would have it, from what the manifest says. */
  #ownNode(options: RegionOptions, children: unknown, path: ManifestPath): PlatformDevice | undefined {
    const { at, size } = options;
    if (at === undefined || size === undefined) {
      return this.#fail({ title: `a region needs ${at === undefined ? "at" : "size"}, or node`, places: [{ path }] });
    }
    if (children !== undefined && !Array.isArray(children)) {
      return this.#fail({ title: "children of a region isn't a list", places: [{ path: [...path, "children"] }] });
    }
    const name = `sram@${at.toString(16)}`;
    const parts = (children ?? []).map((raw: unknown, index: number) => {
      const child = convert<ChildOptions>(raw, childKeys, [...path, "children", index], `a child of ${name}`, [], this.#findings);
      return child && ownChild(child, at, `/${name}`);
    });
    const complete = parts.filter((part) => part !== undefined);
    if (complete.length < parts.length) return undefined;
    const compatible = [...options.compatible === undefined ? [] : [options.compatible], COMPATIBLE];
    const properties = { ranges: NOTHING };
    return { path: `/${name}`, role: "sram", compatible, windows: [{ at, size }], detail: "", properties, children: complete };
  }

  /** What holds for every node, whoever described it. The binding: Linux's sram.yaml. */
  #complete(node: PlatformDevice, options: RegionOptions, path: ManifestPath): SramRegion | undefined {
    const name = node.path.replace(/.*\//, "");
    const [window] = node.windows;
    const problem = (title: string, more: ManifestPath = []) =>
      this.#fail({ title: `${name}: ${title}`, places: [{ path: [...path, ...more] }] });
    if (window === undefined || node.windows.length > 1) {
      return problem(`its reg has ${node.windows.length} ranges that the CPU reaches; want one`);
    }
    const { at, size } = window;
    if (size === 0) return problem("its size is zero");
    if (at % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) {
      return problem(`${hex(at)} with ${hex(size)} bytes isn't made of whole pages of 4 KiB: stage 2 can't map it alone`);
    }
    if (node.children.length > 0 && node.properties.ranges === undefined) return problem("it has sections, and its ranges is missing");
    const domain = this.#domain(options, name, path);
    const children = this.#children(node, name, path);
    if (domain === undefined || children === undefined) return undefined;
    const { permissions } = options;
    return {
      name,
      at,
      size,
      ipa: options.ipa ?? at,
      domain,
      noMemoryWc: options.no_memory_wc || node.properties["no-memory-wc"] !== undefined,
      isShared: options.shared,
      isKept: options.keep,
      type: options.type,
      permissions: permissions === undefined
        ? undefined
        : { read: permissions.includes("r"), write: permissions.includes("w"), execute: permissions.includes("x") },
      children,
      node,
      path,
    };
  }

  #domain({ domain }: RegionOptions, name: string, path: ManifestPath): string | undefined {
    const names = this.board.domains.map((candidate) => candidate.name);
    if (domain === undefined && names.length === 1) return names[0];
    if (domain !== undefined && names.includes(domain)) return domain;
    const title = domain === undefined
      ? `${name}: whose is it? There are ${names.length} domains`
      : `${name}: there is no domain ${domain}`;
    return this.#fail({
      title,
      help: `domain: one of ${names.join(", ")}`,
      places: [domain === undefined ? { path } : { path: [...path, "domain"] }],
    });
  }

  /** Sections lie within their SRAM, apart from one another, as Linux's driver wants them. */
  #children({ windows: [{ at, size }], children }: PlatformDevice, name: string, path: ManifestPath): SramChild[] | undefined {
    const before = this.#findings.length;
    const list = children.map((node, index) => {
      const place = { path: node.detail === OWN ? [...path, "children", index] : path };
      const section = node.path.replace(/.*\//, "");
      const fail = (title: string) => this.#fail({ title: `${name}: ${section} ${title}`, places: [place] });
      const [window] = node.windows;
      if (window === undefined || window.size === 0) return void fail("has no bytes");
      if (window.at < at || window.at + window.size > at + size) {
        return void fail(`reaches from ${hex(window.at)} to ${hex(window.at + window.size - 1)}, outside the SRAM`);
      }
      const isCode = node.properties["protect-exec"] !== undefined;
      if (isCode && (window.at % PAGE_SIZE !== 0 || window.size % PAGE_SIZE !== 0)) {
        return void fail("is for code, and isn't made of whole pages");
      }
      return { node, name: section, place, at: window.at - at, size: window.size, isCode };
    });
    const sorted = list.filter((child) => child !== undefined).toSorted((a, b) => a.at - b.at);
    for (const [index, child] of sorted.entries()) {
      const earlier = sorted[index - 1];
      if (earlier === undefined || child.at >= earlier.at + earlier.size) continue;
      this.#fail({ title: `${name}: ${child.name} overlaps ${earlier.name}`, places: [child.place, earlier.place] });
    }
    if (this.#findings.length > before) return undefined;
    return sorted.map(({ place: _place, ...child }) => ({
      ...child,
      label: child.node.properties.label && new TextDecoder().decode(child.node.properties.label).replace(/\0.*$/, ""),
      isExported: child.node.properties.export !== undefined,
      isPool: child.node.properties.pool !== undefined,
    }));
  }

  #fail(finding: ResourceFinding): undefined {
    this.#findings.push(finding);
    return undefined;
  }
}

const NOTHING = new Uint8Array(0);
/** Tells sections of the manifest from those of a blob. */
const OWN = "from the manifest";
const defaults: RegionOptions = { no_memory_wc: false, shared: false, keep: false };

function ownChild(child: ChildOptions, base: number, parent: string): PlatformDevice {
  return {
    path: `${parent}/sram-section@${child.at.toString(16)}`,
    role: "sram section",
    compatible: child.compatible === undefined ? [] : [child.compatible],
    windows: [{ at: base + child.at, size: child.size }],
    detail: OWN,
    properties: {
      ...child.export && { export: NOTHING },
      ...child.protect_exec && { "protect-exec": NOTHING },
      ...child.pool && { pool: NOTHING },
      ...child.label !== undefined && { label: new TextEncoder().encode(`${child.label}\0`) },
    },
    children: [],
  };
}
