/** From a manifest's `regions` to memory that domains share. Pure: `check` finds every mistake here. */
import { convertOption, hex, nearest, PAGE_SIZE } from "../../core/mod.ts";
import type { Board, ManifestPath, OptionSpec, OptionSpecs, ResourceFinding } from "../../core/mod.ts";
import { PmsaDomains } from "../pmsa/contract.ts";

/** Options of the plugin. */
export interface StaticShmOptions {
  readonly regions: readonly unknown[];
}

/** A domain's part in a region. */
export interface SharedMap {
  readonly domain: string;
  readonly role: "owner" | "borrower";
  readonly ipa: number;
  readonly write: boolean;
  readonly path: ManifestPath;
}

/** Memory that domains share. */
export interface SharedRegion {
  /** What its node's `xen,id` says. */
  readonly id: string;
  readonly at: number;
  readonly size: number;
  readonly maps: readonly SharedMap[];
  readonly path: ManifestPath;
}

/** What came of it. */
export interface SharedPlan {
  readonly regions: readonly SharedRegion[];
  readonly findings: readonly ResourceFinding[];
}

/** Characters of an id: `xen,shm-id` has 15 and a zero. */
const ID_LENGTH = 15;

const regionKeys: OptionSpecs = {
  id: {
    kind: "text",
    doc: "",
    check: (value) =>
      /^[!-~]+$/.test(value as string) && (value as string).length <= ID_LENGTH ? undefined : `at most ${ID_LENGTH} characters`,
  },
  at: { kind: "address", align: PAGE_SIZE, doc: "" },
  size: { kind: "size", min: PAGE_SIZE, align: PAGE_SIZE, doc: "" },
  domains: { kind: "any", doc: "" },
};

const mapKeys: OptionSpecs = {
  role: { kind: "choice", choices: ["owner", "borrower"], default: "borrower", doc: "" },
  ipa: { kind: "address", align: PAGE_SIZE, optional: true, doc: "" },
  access: { kind: "choice", choices: ["read-write", "read-only"], default: "read-write", doc: "" },
};

/** Plans a board's shared memory. */
export function planShared(options: StaticShmOptions, board: Board): SharedPlan {
  const use = board.plugins.find((candidate) => candidate.options === options as unknown);
  return new Planner(board, [...use?.path ?? ["plugins"], "regions"]).plan(options.regions);
}

const overlap = (a: { at: number; size: number }, b: { at: number; size: number }) => a.at < b.at + b.size && b.at < a.at + a.size;
const rangeText = ({ at, size }: { at: number; size: number }) => `${hex(at)} to ${hex(at + size - 1)}`;
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

class Planner {
  readonly #findings: ResourceFinding[] = [];

  constructor(readonly board: Board, readonly path: ManifestPath) {}

  plan(raw: readonly unknown[]): SharedPlan {
    const regions = raw.flatMap((region, index) => this.#region(region, [...this.path, index]) ?? []);
    for (const [index, region] of regions.entries()) {
      this.#checkPlace(region);
      for (const other of regions.slice(0, index)) this.#checkPair(other, region);
    }
    return { regions, findings: this.#findings };
  }

  #region(raw: unknown, path: ManifestPath): SharedRegion | undefined {
    const region = this.#convert<{ id: string; at: number; size: number; domains: unknown }>(raw, regionKeys, path, "a region");
    if (region === undefined) return undefined;
    const { id, at, size, domains } = region;
    if (!isObject(domains) || Object.keys(domains).length === 0) {
      this.#add({ title: `nobody has ${id}: domains says who, by name`, places: [{ path: [...path, "domains"] }] });
      return undefined;
    }
    const maps = Object.entries(domains).flatMap(([domain, map]) => this.#map(domain, map ?? {}, at, [...path, "domains", domain]) ?? []);
    const owners = maps.filter(({ role }) => role === "owner");
    if (owners.length > 1) {
      this.#add({
        title: `${id} has one owner: ${owners[0].domain} or ${owners[1].domain}`,
        places: [{ path: owners[1].path, note: owners[1].domain }, { path: owners[0].path, note: owners[0].domain }],
      });
    }
    return { id, at, size, maps, path };
  }

  #map(domain: string, raw: unknown, at: number, path: ManifestPath): SharedMap | undefined {
    const known = this.board.domains.map(({ name }) => name);
    if (!known.includes(domain)) {
      const close = nearest(domain, known);
      this.#add({
        title: `there is no domain ${domain} to share with`,
        found: domain,
        help: close ? `did you mean ${close}?` : `there is ${known.join(", ")}`,
        places: [{ path, on: "key" }],
      });
      return undefined;
    }
    const map = this.#convert<{ role: "owner" | "borrower"; ipa?: number; access: string }>(raw, mapKeys, path, `${domain}'s part`);
    return map && { domain, role: map.role, ipa: map.ipa ?? at, write: map.access === "read-write", path };
  }

  /** It is RAM of the board; an MPU maps it where it is, and there it is no domain's. */
  #checkPlace(region: SharedRegion): void {
    const { id, at, size, maps, path } = region;
    const bank = this.board.memory.find((ram) => at >= ram.at && at + size <= ram.at + ram.size);
    if (bank === undefined) {
      this.#add({
        title: `${id}, ${rangeText(region)}, isn't RAM of the board`,
        found: rangeText(region),
        help: `there is ${this.board.memory.map(rangeText).join(", ")}`,
        places: [{ path: [...path, "at"] }, ...this.board.memory.length > 0 ? [{ path: ["memory"], note: "all that there is" }] : []],
      });
    }
    const isDirect = this.board.plugins.some(({ plugin }) => plugin.provides?.some(({ name }) => name === PmsaDomains.name));
    if (!isDirect) return;
    for (const map of maps) {
      if (map.ipa === at) continue;
      this.#add({
        title: `${id} can't be at ${hex(map.ipa)}: an MPU translates nothing`,
        found: hex(map.ipa),
        wanted: `${hex(at)}, or no ipa`,
        places: [{ path: [...map.path, "ipa"] }, { path: [...path, "at"], note: "here it is" }],
      });
    }
    for (const [index, domain] of this.board.domains.entries()) {
      const clash = domain.memory.findIndex((ram) => overlap(ram, region));
      if (clash < 0) continue;
      this.#add({
        title: `${id} lies in the RAM of ${domain.name}, ${rangeText(domain.memory[clash])}, which is its alone`,
        found: rangeText(region),
        places: [{ path: [...path, "at"] }, { path: ["domains", index, "memory", clash], note: `RAM of ${domain.name}` }],
      });
    }
  }

  #checkPair(first: SharedRegion, second: SharedRegion): void {
    if (first.id === second.id) {
      const places = [{ path: [...second.path, "id"], note: "again" }, { path: [...first.path, "id"], note: "first" }];
      this.#add({ title: `two regions are called ${first.id}`, found: first.id, places });
    }
    if (overlap(first, second)) {
      this.#add({
        title: `${second.id}, ${rangeText(second)}, overlaps ${first.id}, ${rangeText(first)}`,
        places: [{ path: [...second.path, "at"], note: second.id }, { path: [...first.path, "at"], note: first.id }],
      });
    }
  }

  #convert<T>(raw: unknown, keys: OptionSpecs, path: ManifestPath, what: string): T | undefined {
    if (!isObject(raw)) {
      this.#add({ title: `${what} says ${Object.keys(keys).join(", ")} by name`, places: [{ path }] });
      return undefined;
    }
    const converted: Record<string, unknown> = {};
    const before = this.#findings.length;
    for (const key of Object.keys(raw)) {
      if (key in keys) continue;
      const close = nearest(key, Object.keys(keys));
      this.#add({ title: `${what} has no ${key}`, help: close && `did you mean ${close}?`, places: [{ path: [...path, key], on: "key" }] });
    }
    for (const [key, spec] of Object.entries(keys)) converted[key] = this.#value(raw[key], key, spec, path, what);
    return this.#findings.length === before ? converted as T : undefined;
  }

  #value(raw: unknown, key: string, spec: OptionSpec, path: ManifestPath, what: string): unknown {
    if (raw === undefined) {
      if (spec.default === undefined && !spec.optional) this.#add({ title: `${what} needs ${key}`, places: [{ path }] });
      return spec.default;
    }
    if (spec.kind === "any") return raw;
    const conversion = convertOption(spec, raw);
    if ("value" in conversion) return conversion.value;
    const { found, wanted, help } = conversion.problem;
    this.#add({ title: `${key} of ${what} isn't what it must be`, found, wanted, help, places: [{ path: [...path, key] }] });
    return undefined;
  }

  #add(finding: ResourceFinding): void {
    this.#findings.push(finding);
  }
}
