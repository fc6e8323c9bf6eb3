/** Physical frames of interrupt controllers, and how strictly they must be mapped by whoever maps them. */
import { Interrupts } from "../../core/mod.ts";
import type { Board, MemoryType, PlatformRange } from "../../core/mod.ts";

/** True when they share an address. */
export function overlaps(a: PlatformRange, b: PlatformRange): boolean {
  return a.at < b.at + b.size && b.at < a.at + a.size;
}

/** Physical frames of interrupt controllers: the platform's, and those of the board's plugins. */
export function interruptFrames(board: Board): PlatformRange[] {
  const platform = board.platform?.devices.filter(({ role }) => role === "interrupt controller" || role === "message interrupts") ?? [];
  const plugins = board.plugins.filter(({ plugin }) => plugin.provides?.some(({ name }) => name === Interrupts.name));
  return [
    ...platform.flatMap(({ windows }) => windows),
    ...plugins.flatMap(({ plugin, options }) => plugin.resources?.(options, { board }).windows ?? []),
  ].map(({ at, size }) => ({ at, size }));
}

/** An interrupt controller's frames may be this and nothing less strict: another vCPU may run next, and must not meet an earlier one's write. */
export function isStrictEnoughForInterrupts(type: MemoryType): boolean {
  return type === "device-ngnrne" || type === "device-ngnre";
}
