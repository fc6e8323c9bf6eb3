/** What must hold between the parts of a board: addresses, interrupts and capabilities. All of it is data; no plugin is set up. */
import { hex } from "../memory/address.ts";
import type { Board, DomainSpec, PluginUse, Resources } from "./board.ts";
import type { Place } from "./diagnostics.ts";
import { OptionError } from "./errors.ts";
import type { ManifestPath } from "./manifest_path.ts";
import type { Findings } from "./findings.ts";
import { FIRST_CRASH, LAST_DOMAIN } from "./manifest_keys.ts";
import { nearest } from "./suggest.ts";
import { checkColours } from "./cache_colour_check.ts";
import { checkCapabilities } from "./capability_check.ts";
import { checkPools } from "./cpu_pool_check.ts";
import type { ShapedBoard } from "./manifest_shape.ts";
import { ADDRESS_LIMIT, printSize } from "./option_values.ts";
import type { OptionKind } from "./options.ts";
import type { Plugin } from "../plugin/plugin.ts";

/** Something that takes addresses. */
interface Claim {
  readonly label: string;
  readonly at: number;
  readonly size: number;
  readonly place: ManifestPath;
  readonly ram: boolean;
}

/** Checks a board as a whole. `available`: the plugins that could be used, for help texts. */
export function checkBoardSemantics(shaped: ShapedBoard, available: ReadonlyMap<string, Plugin>, findings: Findings): void {
  const { board } = shaped;
  checkCapabilities(shaped, available, findings);
  checkNames(board, findings);
  checkEnds(board, findings);
  checkRam(board, findings);
  checkColours(board, findings);
  checkPools(board, shaped.incomplete, findings);
  const check = new ResourceCheck(board, shaped.incomplete, findings);
  check.physical();
  for (const [index, domain] of board.domains.entries()) check.domain(domain, index);
}

function checkNames(board: Board, findings: Findings): void {
  const first = new Map<string, number>();
  for (const [index, { name }] of board.domains.entries()) {
    const earlier = first.get(name);
    if (name !== "" && earlier !== undefined) {
      findings.add(
        { code: "M0501", title: `two domains are called ${name}`, found: name },
        { path: ["domains", index, "name"], note: "again" },
        { path: ["domains", earlier, "name"], note: "first" },
      );
    } else first.set(name, index);
  }
}

function checkEnds({ ends, domains }: Board, findings: Findings): void {
  if (ends === undefined || [LAST_DOMAIN, FIRST_CRASH].includes(ends) || domains.some(({ name }) => name === ends)) return;
  const names = [LAST_DOMAIN, FIRST_CRASH, ...domains.map(({ name }) => name)];
  const close = nearest(ends, names);
  findings.add(
    {
      code: "M0504",
      title: `ends is ${ends}, and no domain is called so; want ${names.join(", ")}`,
      found: ends,
      wanted: names.join(", "),
      help: close ? `did you mean ${close}?` : undefined,
    },
    { path: ["ends"] },
  );
}

function checkRam(board: Board, findings: Findings): void {
  const ram = board.memory.reduce((sum, { size }) => sum + size, 0);
  let used = 0;
  for (const [index, domain] of board.domains.entries()) {
    const size = domain.memory.reduce((sum, range) => sum + range.size, 0);
    used += size;
    if (used < ram || ram === 0) continue;
    const together = index === 0 ? "" : ` (all domains together ${printSize(used)})`;
    findings.add(
      {
        code: "M0407",
        title: used === ram
          ? `the domains take all of the board's RAM, ${printSize(ram)}: nothing is left for the hypervisor's tables`
          : `the memory of domain ${domain.name}, ${printSize(size)}${together}, doesn't fit the board's RAM of ${printSize(ram)}`,
        found: printSize(used),
        wanted: `less than ${printSize(ram)}`,
        help: "give the domain less or the board more; without `memory` at the top, the board gets what its domains need",
      },
      { path: ["domains", index, "memory"], note: printSize(size) },
      { path: ["memory"], note: `${printSize(ram)} in all` },
    );
    return;
  }
}

class ResourceCheck {
  /** Serial ports of the whole board, by name. */
  readonly #serialPorts = new Map<string, { readonly label: string; readonly place: ManifestPath }>();

  constructor(readonly board: Board, readonly incomplete: ReadonlySet<PluginUse>, readonly findings: Findings) {}

  /** RAM banks and the windows of board devices share the physical addresses. */
  physical(): void {
    const claims = this.#ramClaims(this.board.memory, ["memory"], "the board's RAM");
    this.#platformRam();
    for (const use of this.board.plugins) {
      const resources = this.#resources(use, undefined);
      claims.push(...this.#windows(use, undefined, resources));
      this.#ports(use, undefined, resources);
      for (const { name, at, size } of resources.memory ?? []) {
        claims.push({ label: `${use.plugin.name} (${name})`, at, size, ram: false, place: [...use.path, "use"] });
      }
    }
    this.#overlaps(claims, "physical");
  }

  /** RAM that a board takes from a platform must be there. */
  #platformRam(): void {
    const { platform, memory } = this.board;
    if (platform === undefined || platform.memory.length === 0) return;
    for (const [index, { at, size }] of memory.entries()) {
      if (platform.memory.some((bank) => at >= bank.at && at + size <= bank.at + bank.size)) continue;
      const taken = platform.reserved.find((range) => at < range.at + range.size && range.at < at + size);
      this.findings.add(
        {
          code: "M0803",
          title: `${hex(at)} to ${hex(at + size - 1)} isn't RAM of ${platform.model}${taken ? `: ${taken.name} is reserved in it` : ""}`,
          found: `${hex(at)} to ${hex(at + size - 1)}`,
          help: `there is ${platform.memory.map((bank) => `${hex(bank.at)} to ${hex(bank.at + bank.size - 1)}`).join(", ")}`,
        },
        { path: ["memory", index] },
        { path: ["platform"], on: "key" },
      );
    }
  }

  /** RAM of a domain, and the windows of every plugin attached to it, share its IPAs. */
  domain(domain: DomainSpec, index: number): void {
    const claims = this.#ramClaims(domain.memory, ["domains", index, "memory"], `the RAM of domain ${domain.name}`);
    const interrupts = new Map<number, { label: string; place: ManifestPath }>();
    const reaches: { readonly use: PluginUse; readonly reach: number }[] = [];
    for (const use of [...this.board.plugins, ...domain.plugins]) {
      const resources = this.#resources(use, domain);
      claims.push(...this.#windows(use, domain, resources));
      this.#ports(use, domain, resources);
      if (resources.reach !== undefined) reaches.push({ use, reach: resources.reach });
      for (const { name, intid } of resources.interrupts ?? []) {
        const label = name === "" || name === use.plugin.name ? use.plugin.name : `${use.plugin.name} (${name})`;
        const place = optionWith(use, "interrupt", intid);
        if (!Number.isInteger(intid) || intid < 16 || intid > 1019) {
          this.findings.add({ code: "M0405", title: `${label} has INTID ${intid}; want 16 to 1019`, found: String(intid) }, {
            path: place,
          });
          continue;
        }
        const earlier = interrupts.get(intid);
        if (earlier) {
          this.findings.add(
            {
              code: "M0404",
              title: `${label} and ${earlier.label} of domain ${domain.name} drive the same interrupt, ${printInterrupt(intid)}`,
              found: printInterrupt(intid),
            },
            { path: place, note: "driven here" },
            { path: earlier.place, note: "and here" },
          );
        } else interrupts.set(intid, { label, place });
      }
    }
    for (const { use, reach } of reaches) this.#reach(claims, domain, use, reach);
    this.#overlaps(claims, domain.name);
  }

  /** What stands where no access of the domain leads can't be used. */
  #reach(claims: readonly Claim[], domain: DomainSpec, use: PluginUse, reach: number): void {
    for (const { label, at, size, place } of claims) {
      if (at + size <= reach || at + size > ADDRESS_LIMIT) continue;
      this.findings.add(
        {
          code: "M0408",
          title: `${label} is out of reach: it ends at ${hex(at + size)}, and the addresses of domain ${domain.name} end at ${hex(reach)}`,
          found: hex(at + size),
          wanted: `at most ${hex(reach)}`,
        },
        { path: place, note: `${hex(at)} to ${hex(at + size - 1)}` },
        { path: optionWith(use, "integer", Math.log2(reach)), note: "ends them there" },
      );
    }
  }

  #ramClaims(ranges: Board["memory"], path: ManifestPath, label: string): Claim[] {
    return ranges.map(({ at, size }, index) => ({ label, at, size, ram: true, place: [...path, index] }));
  }

  #resources(use: PluginUse, domain: DomainSpec | undefined): Resources {
    if (this.incomplete.has(use) || !use.plugin.resources) return {};
    try {
      const resources = use.plugin.resources(use.options, { board: this.board, domain });
      for (const { places, ...text } of resources.findings ?? []) {
        this.findings.add({ code: "M0503", ...text }, ...(places ?? [{ path: [...use.path, "use"] }]));
      }
      return resources;
    } catch (error) {
      const path = [...use.path, error instanceof OptionError && error.option !== undefined ? error.option : "use"];
      const message = error instanceof Error ? error.message : String(error);
      this.findings.add({ code: "M0502", title: `${use.plugin.name}: ${message}` }, { path });
      return {};
    }
  }

  #windows(use: PluginUse, domain: DomainSpec | undefined, resources: Resources = this.#resources(use, domain)): Claim[] {
    return (resources.windows ?? []).map(({ name, at, size }) => {
      const label = name === "" || name === use.plugin.name ? use.plugin.name : `${use.plugin.name} (${name})`;
      return { label, at, size, ram: false, place: optionWith(use, "address", at) };
    });
  }

  /** A port has one owner: nobody could tell whose bytes are whose. */
  #ports(use: PluginUse, domain: DomainSpec | undefined, { serialPorts = [] }: Resources): void {
    for (const name of serialPorts) {
      const label = `${use.plugin.name} of ${domain === undefined ? "the board" : `domain ${domain.name}`}`;
      const place = optionWith(use, "text", name);
      const earlier = this.#serialPorts.get(name);
      if (earlier === undefined) {
        this.#serialPorts.set(name, { label, place });
        continue;
      }
      this.findings.add(
        {
          code: "M0411",
          title: `${label} and ${earlier.label} open the same serial port, ${name}`,
          found: name,
          help: `give one of them another one, such as ${this.#freePort(`${domain?.name ?? "board"}-${name}`)}`,
        },
        { path: place, note: "opened here" },
        { path: earlier.place, note: "and here" },
      );
    }
  }

  #freePort(name: string): string {
    return this.#serialPorts.has(name) ? this.#freePort(`${name}-2`) : name;
  }

  #overlaps(claims: readonly Claim[], space: string): void {
    for (const { label, at, size, place } of claims) {
      if (at + size <= ADDRESS_LIMIT) continue;
      const title = `${label} ends at ${hex(at + size)}, above the last address of 48 bits`;
      this.findings.add({ code: "M0406", title, found: hex(at + size), wanted: "at most 0x1_0000_0000_0000" }, { path: place });
    }
    const sorted = claims.filter((claim) => claim.size > 0).sort((a, b) => a.at - b.at);
    let widest: Claim | undefined;
    for (const claim of sorted) {
      if (widest && claim.at < widest.at + widest.size) this.#overlap(widest, claim, space);
      if (!widest || claim.at + claim.size > widest.at + widest.size) widest = claim;
    }
  }

  #overlap(a: Claim, b: Claim, space: string): void {
    const [first, second] = a.ram && !b.ram ? [b, a] : comparePaths(a.place, b.place) > 0 ? [a, b] : [b, a];
    const where = space === "physical" ? "the physical address map" : `domain ${space}`;
    const kinds = first.ram && second.ram ? "M0403" : first.ram || second.ram ? "M0402" : "M0401";
    const range = ({ at, size }: Claim) => `${hex(at)} to ${hex(at + size - 1)}`;
    const place = (claim: Claim): Place => ({ path: claim.place, note: `${claim.label}: ${range(claim)}` });
    this.findings.add(
      {
        code: kinds,
        title: `${first.label} overlaps ${
          first.label !== second.label ? second.label : first.ram ? "another part of it" : `another ${second.label}`
        } in ${where}`,
        found: range(first),
        help: second.at + second.size < ADDRESS_LIMIT ? `the first free address after it is ${hex(second.at + second.size)}` : undefined,
      },
      place(first),
      place(second),
    );
  }
}

/** The option that most likely says it: of that kind and with that value, or with it among others; else the `use`. */
function optionWith(use: PluginUse, kind: OptionKind, value: unknown): ManifestPath {
  for (const [name, spec] of Object.entries(use.plugin.options)) {
    const own = use.options[name];
    if (spec.kind === kind && (own === value || spec.list && Array.isArray(own) && own.includes(value))) return [...use.path, name];
  }
  return [...use.path, "use"];
}

/** The order of reading: what the board says before what its domains say. */
function comparePaths(a: ManifestPath, b: ManifestPath): number {
  const rank = (path: ManifestPath) => ["memory", "plugins", "domains"].indexOf(String(path[0]));
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  const index = a.findIndex((segment, depth) => segment !== b[depth]);
  return typeof a[index] === "number" ? a[index] - Number(b[index]) : rank([String(a[index])]) - rank([String(b[index])]);
}

/** `spi 1 (INTID 33)`. */
function printInterrupt(intid: number): string {
  return intid >= 32 ? `spi ${intid - 32} (INTID ${intid})` : `ppi ${intid - 16} (INTID ${intid})`;
}
