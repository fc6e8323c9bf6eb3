/** What must hold between the pools of physical CPUs: each CPU and each domain is in one, and every vCPU has a CPU to run on. */
import type { Board, PluginUse } from "./board.ts";
import { affinityOf, parseCpus, poolOptionsOf, poolsOf, schedulerUses } from "../schedule/cpu_pool.ts";
import type { Place } from "./diagnostics.ts";
import type { Findings } from "./findings.ts";
import { nearest } from "./suggest.ts";

const option = (use: PluginUse, name: string, note?: string): Place => ({ path: [...use.path, name], note });
const itself = (use: PluginUse, note?: string): Place => ({ path: [...use.path, "use"], note });

/** Checks the pools. `incomplete`: uses whose options have mistakes already. */
export function checkPools(board: Board, incomplete: ReadonlySet<PluginUse>, findings: Findings): void {
  const uses = schedulerUses(board);
  if (uses.some((use) => incomplete.has(use))) return;
  const before = findings.errors;
  checkRest(uses, findings);
  checkCpus(board, uses, findings);
  checkDomains(board, uses, findings);
  if (findings.errors === before) checkAffinities(board, findings);
}

/** One pool at most may take what nobody names. */
function checkRest(uses: readonly PluginUse[], findings: Findings): void {
  for (const name of ["cpus", "domains"] as const) {
    const [first, ...others] = uses.filter((use) => poolOptionsOf(use)[name] === undefined);
    for (const use of others) {
      const who = first.plugin.name === use.plugin.name
        ? `${use.plugin.name} is there twice`
        : `${first.plugin.name} and ${use.plugin.name} both provide SchedulerPolicy`;
      findings.add(
        {
          code: "M0301",
          title: `${who}, for the same ${name === "cpus" ? "physical CPUs" : "domains"}`,
          found: "SchedulerPolicy",
          help: `keep one of them, or make two pools: say \`cpus\` and \`domains\` in all of them but one`,
        },
        itself(use, `has no ${name} of its own`),
        itself(first, "neither has this"),
      );
      if (name === "cpus") return;
    }
  }
}

function checkCpus(board: Board, uses: readonly PluginUse[], findings: Findings): void {
  const first = new Map<number, PluginUse>();
  for (const use of uses) {
    for (const cpu of parseCpus(poolOptionsOf(use).cpus ?? []) ?? []) {
      const earlier = first.get(cpu);
      if (cpu >= board.pcpus) {
        findings.add(
          { code: "M0902", title: `${use.plugin.name} names CPU ${cpu}; the board has CPUs 0 to ${board.pcpus - 1}`, found: `CPU ${cpu}` },
          option(use, "cpus"),
          { path: ["pcpus"] },
        );
      } else if (earlier) {
        findings.add(
          { code: "M0901", title: `CPU ${cpu} is in two pools`, found: `CPU ${cpu}` },
          option(use, "cpus", "here"),
          option(earlier, "cpus", "and here"),
        );
      } else first.set(cpu, use);
    }
  }
  const pools = poolsOf(board);
  for (const { use, cpus } of pools) {
    if (cpus.length > 0 || poolOptionsOf(use).cpus !== undefined || uses.length < 2) continue;
    findings.add(
      { code: "M0903", title: `no CPU is left for the pool of ${use.plugin.name}: the other pools name all ${board.pcpus}` },
      itself(use),
    );
  }
  const idle = Array.from({ length: board.pcpus }, (_, cpu) => cpu).filter((cpu) => !pools.some(({ cpus }) => cpus.includes(cpu)));
  if (idle.length > 0 && uses.length > 0 && !findings.failed) {
    findings.add(
      { code: "M0904", severity: "warning", title: `CPU ${idle.join(", ")}: in no pool, idle for ever` },
      ...uses.map((use) => option(use, "cpus")),
    );
  }
}

function checkDomains(board: Board, uses: readonly PluginUse[], findings: Findings): void {
  const names = board.domains.map(({ name }) => name);
  const first = new Map<string, Place>();
  for (const use of uses) {
    const { domains = [], affinity = {} } = poolOptionsOf(use);
    for (const [index, name] of domains.entries()) {
      const place: Place = { path: [...use.path, "domains", index] };
      const earlier = first.get(name);
      if (!names.includes(name)) unknownDomain(name, names, place, findings);
      else if (earlier) findings.add({ code: "M0901", title: `domain ${name} is in two pools`, found: name }, place, earlier);
      else first.set(name, place);
    }
    for (const name of Object.keys(affinity)) {
      if (!names.includes(name)) unknownDomain(name, names, { path: [...use.path, "affinity", name], on: "key" }, findings);
    }
  }
  const pools = poolsOf(board);
  for (const [index, name] of names.entries()) {
    if (pools.length === 0 || pools.some((pool) => pool.has(name))) continue;
    findings.add(
      { code: "M0903", title: `domain ${name} is in no pool`, help: "add it to the `domains` of a scheduler" },
      { path: ["domains", index, "name"] },
      ...uses.map((use) => option(use, "domains")),
    );
  }
}

function unknownDomain(name: string, names: readonly string[], place: Place, findings: Findings): void {
  const close = nearest(name, names);
  const help = close ? `did you mean ${close}?` : `there is ${names.join(", ")}`;
  findings.add({ code: "M0905", title: `there is no domain ${name}`, found: name, help }, place);
}

/** Each vCPU must have a CPU of its pool to run on. */
function checkAffinities(board: Board, findings: Findings): void {
  for (const pool of poolsOf(board)) {
    const { use } = pool;
    const options = poolOptionsOf(use);
    for (const [index, { name, vcpus }] of board.domains.entries()) {
      const said = options.affinity?.[name];
      if (said === undefined) continue;
      const place: Place = { path: [...use.path, "affinity", name] };
      if (!pool.has(name)) {
        findings.add({ code: "M0903", title: `domain ${name} has an affinity in a pool that isn't its own` }, place);
      } else if (Array.isArray(said) && said.length > vcpus) {
        const title = `the affinity of ${name} is for ${said.length} vCPUs; it has ${vcpus}`;
        findings.add({ code: "M0903", title, found: String(said.length) }, place, { path: ["domains", index, "vcpus"] });
      } else {
        const lost = Array.from({ length: vcpus }, (_, vcpu) => vcpu).find((vcpu) =>
          affinityOf(options, name, vcpu) !== undefined && pool.cpusOf(name, vcpu).length === 0
        );
        if (lost === undefined) continue;
        findings.add(
          {
            code: "M0903",
            title: `the affinity of vCPU ${lost} of ${name} leaves it no CPU of its pool`,
            wanted: `CPU ${pool.cpus.join(", ")}`,
          },
          place,
          options.cpus === undefined ? itself(use) : option(use, "cpus"),
        );
      }
    }
  }
}
