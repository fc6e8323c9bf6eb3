/** Who provides what, and who needs what nobody provides. */
import type { PluginDeclaration, PluginUse } from "./board.ts";
import type { Capability } from "../plugin/capability.ts";
import { CpuEngine } from "../arch/cpu_engine.ts";
import type { Place } from "./diagnostics.ts";
import type { ManifestPath } from "./manifest_path.ts";
import type { Findings } from "./findings.ts";
import { isWithin } from "./manifest_path.ts";
import type { ShapedBoard } from "./manifest_shape.ts";
import { MemoryBackend } from "../memory/memory_backend.ts";
import { orderByNeeds } from "../plugin/order.ts";
import { pluginOf } from "../plugin/plugin.ts";
import type { Plugin } from "../plugin/plugin.ts";
import { SchedulerPolicy } from "../schedule/scheduler_policy.ts";
import { Serial } from "../host/serial.ts";

/** What core itself hands out. */
const given: ReadonlySet<string> = new Set([Serial.name]);

/** What core itself needs on every board. */
const required: readonly Capability<unknown>[] = [CpuEngine, MemoryBackend, SchedulerPolicy];

/** Checks the capabilities of a board and of each domain. */
export function checkCapabilities(shaped: ShapedBoard, available: ReadonlyMap<string, Plugin>, findings: Findings): void {
  const { board, meant, isUnread } = shaped;
  if (isUnread) return;
  const meantIn = (...lists: ManifestPath[]) =>
    meant.filter(({ list }) => lists.some((at) => isWithin(list, at))).map(({ plugin }) => plugin);
  const context: Context = { available, findings, reported: new Set() };

  const onBoard = meantIn(["plugins"]);
  checkTwice(board.plugins, "board", context);
  checkNeeds(board.plugins, board.plugins, onBoard, "board", context);
  for (const key of required) {
    if (provided(board.plugins, onBoard, key)) continue;
    findings.add({ code: "M0302", title: `the board has no ${key.name}`, help: suggestion(key, available) }, {
      path: ["plugins"],
      on: "key",
    });
  }
  for (const [index, domain] of board.domains.entries()) {
    const own = meantIn(["domains", index, "plugins"]);
    const attached = [...board.plugins, ...domain.plugins];
    for (const use of domain.plugins) checkScope(use, findings);
    checkTwice(attached, "domain", context);
    checkNeeds(attached, attached, [...onBoard, ...own], "domain", context);
    checkNeeds(domain.plugins, board.plugins, onBoard, "board", context);
  }
  if (!findings.failed) checkCircles(shaped, findings);
}

interface Context {
  readonly available: ReadonlyMap<string, Plugin>;
  readonly findings: Findings;
  /** A mistake of the board shows in every domain; it is told once. */
  readonly reported: Set<string>;
}

const useOf = (use: PluginUse, note?: string): Place => ({ path: [...use.path, "use"], note });

function provided(uses: readonly PluginUse[], meant: readonly PluginDeclaration[], key: Capability<unknown>): boolean {
  return [...uses.map((use) => use.plugin), ...meant].some((plugin) => plugin.provides?.some((other) => other.name === key.name));
}

function checkTwice(uses: readonly PluginUse[], scope: "board" | "domain", { findings, reported }: Context): void {
  const first = new Map<string, PluginUse>();
  for (const use of uses) {
    for (const key of use.plugin.provides ?? []) {
      if (key.scope !== scope || key.many) continue;
      const earlier = first.get(key.name);
      const seen = `twice ${key.name} ${use.path.join(".")}`;
      if (!earlier) first.set(key.name, use);
      else if (!reported.has(seen)) {
        reported.add(seen);
        const who = earlier.plugin.name === use.plugin.name
          ? `${use.plugin.name} is there twice`
          : `${earlier.plugin.name} and ${use.plugin.name}`;
        findings.add(
          {
            code: "M0301",
            title: earlier.plugin.name === use.plugin.name ? `${who}, and provides ${key.name}` : `${who} both provide ${key.name}`,
            found: key.name,
            help: "keep one of them",
          },
          useOf(use, `provides ${key.name}`),
          useOf(earlier, "so does this"),
        );
      }
    }
  }
}

function checkNeeds(
  uses: readonly PluginUse[],
  providers: readonly PluginUse[],
  meant: readonly PluginDeclaration[],
  scope: "board" | "domain",
  { available, findings, reported }: Context,
): void {
  for (const use of uses) {
    for (const key of use.plugin.needs ?? []) {
      const seen = `needs ${key.name} ${use.path.join(".")}`;
      if (key.scope !== scope || given.has(key.name) || provided(providers, meant, key) || reported.has(seen)) continue;
      reported.add(seen);
      findings.add(
        {
          code: "M0302",
          title: `${use.plugin.name} needs ${key.name}, which nobody provides`,
          wanted: key.name,
          help: suggestion(key, available),
        },
        useOf(use, `needs ${key.name}`),
      );
    }
  }
}

function suggestion(key: Capability<unknown>, available: ReadonlyMap<string, Plugin>): string {
  const names = [
    ...new Set(
      [...available.values()].filter((plugin) => plugin.provides?.some((other) => other.name === key.name)).map((plugin) => plugin.name),
    ),
  ];
  if (names.length === 0) return `no built-in plugin provides ${key.name}`;
  return `add - use: ${names.join(" or - use: ")} under ${key.scope === "board" ? "the board's plugins" : "plugins"}`;
}

/** A plugin with nothing to attach does nothing in a domain. */
function checkScope(use: PluginUse, findings: Findings): void {
  const { plugin } = use;
  const forBoard = plugin.provides?.find((key) => key.scope === "board");
  if (!forBoard && (pluginOf(use).attach || plugin.resources)) return;
  const why = forBoard ? `it provides ${forBoard.name} to the whole board` : "it has nothing to attach to a domain";
  findings.add(
    {
      code: "M0303",
      title: `${plugin.name} belongs under the board's plugins: ${why}`,
      help: "move it to plugins at the top of the manifest",
    },
    useOf(use),
  );
}

function checkCircles({ board }: ShapedBoard, findings: Findings): void {
  const attempt = (uses: readonly PluginUse[], scope: "board" | "domain", place: ManifestPath) => {
    try {
      orderByNeeds(uses, (use) => use.plugin, scope, given);
    } catch (error) {
      findings.add({ code: "M0304", title: error instanceof Error ? error.message : String(error) }, { path: place, on: "key" });
    }
  };
  attempt(board.plugins, "board", ["plugins"]);
  for (const [index, domain] of board.domains.entries()) {
    attempt([...board.plugins, ...domain.plugins], "domain", ["domains", index, "plugins"]);
  }
}
