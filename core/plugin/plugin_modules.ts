/** Third-party plugins: `use: ./blinker.ts`, `use: jsr:@acme/blinker`, `use: https://…` import that module. */
import type { ManifestPath } from "../board/manifest_path.ts";
import type { Findings } from "../board/findings.ts";
import type { Plugin } from "./plugin.ts";

const EXTERNAL = /^(\.{1,2}\/|\/|jsr:|npm:|https:|file:)/;

/** True when a `use` names a module and not a built-in plugin. */
export function isModuleReference(use: string): boolean {
  return EXTERNAL.test(use);
}

/** Imports each module once. Relative ones are relative to the manifest. What goes wrong becomes a finding at the `use`. */
export async function importPlugins(
  uses: Iterable<readonly [ManifestPath, string]>,
  manifest: string,
  findings: Findings,
): Promise<Map<string, Plugin>> {
  const imported = new Map<string, Plugin>();
  const tried = new Set<string>();
  for (const [path, use] of uses) {
    if (!isModuleReference(use) || tried.has(use)) continue;
    tried.add(use);
    const place = { path: [...path, "use"] };
    try {
      const found = pluginsIn(await import(await moduleUrl(use, manifest)));
      if (found.length === 1) imported.set(use, found[0]);
      else {
        const title = found.length === 0
          ? `${use} exports no plugin`
          : `${use} exports ${found.length} plugins: ${found.map((plugin) => plugin.name).join(", ")}`;
        findings.add({ code: "M0205", title, help: "export one Plugin constant, or make it the default export" }, place);
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
      findings.add({ code: "M0204", title: `${use} can't be loaded: ${reason}` }, place);
    }
  }
  return imported;
}

async function moduleUrl(use: string, manifest: string): Promise<string> {
  if (!/^(\.|\/)/.test(use)) return use;
  const { resolve, toFileUrl } = await import("@std/path");
  return new URL(use, toFileUrl(resolve(manifest))).href;
}

/** The default export when it is a plugin, else every export that is one. */
function pluginsIn(module: Record<string, unknown>): Plugin[] {
  if (isPlugin(module.default)) return [module.default];
  return [...new Set(Object.values(module).filter(isPlugin))];
}

/** True for a value with the shape of a plugin. */
export function isPlugin(value: unknown): value is Plugin {
  if (typeof value !== "object" || value === null) return false;
  const { name, doc, options, setup, attach, resources } = value as Partial<Plugin>;
  const callable = (hook: unknown) => hook === undefined || typeof hook === "function";
  return typeof name === "string" && typeof doc === "string" && typeof options === "object" && options !== null &&
    [setup, attach, resources].every(callable) && [setup, attach, resources].some((hook) => hook !== undefined);
}
