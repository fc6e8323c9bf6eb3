/** Compiled routines that other CPUs of this process would compile again, as those of a machine's forks do. */
import type { ModuleBuilder } from "../../wasm/mod.ts";
import { limitsOf } from "./limits.ts";

/** How many are kept. */
const KEPT = 16;

const kept = new Map<string, WebAssembly.Module>();

/** The module that `write` makes for such a memory. `key` names everything else that it depends on. */
export function compiled(
  key: string,
  memory: WebAssembly.Memory,
  write: (limits: ReturnType<typeof limitsOf>) => ModuleBuilder,
): WebAssembly.Module {
  const limits = limitsOf(memory);
  const name = JSON.stringify([key, limits]);
  const module = kept.get(name) ?? new WebAssembly.Module(write(limits).finish());
  kept.delete(name);
  kept.set(name, module);
  for (const oldest of kept.keys()) if (kept.size > KEPT) kept.delete(oldest);
  return module;
}
