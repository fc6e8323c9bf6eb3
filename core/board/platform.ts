/** Contract of platforms: what a real machine's own description, such as its device tree blob, says of it. Core reads no such format. */

/** A range of physical addresses. */
export interface PlatformRange {
  /** First address. */
  readonly at: number;
  /** Bytes. */
  readonly size: number;
}

/** A device that the description names. */
export interface PlatformDevice {
  /** Where the description has it: `/axi/serial@ff000000`. */
  readonly path: string;
  /** What the reader takes it for: `interrupt controller`, `timer`, `uart`, `sram`; `unknown` for what nothing here models. */
  readonly role: string;
  /** Most specific first. */
  readonly compatible: readonly string[];
  /** Physical addresses, in the description's order. Empty where the CPU doesn't reach it. */
  readonly windows: readonly PlatformRange[];
  /** What there is to say besides, in words. */
  readonly detail: string;
  /** As the description has them. Only where a plugin can make use of it. */
  readonly properties: Readonly<Record<string, Uint8Array>>;
  /** Parts of it that have a description of their own. Only where a plugin can make use of them. */
  readonly children: readonly PlatformDevice[];
}

/** A machine, as it describes itself. Plain data. */
export interface Platform {
  /** The machine's name. */
  readonly model: string;
  /** Physical CPUs; 0 when it doesn't say. */
  readonly cpus: number;
  /** RAM in whole pages, without what is reserved: banks that can be handed out, ascending. */
  readonly memory: readonly PlatformRange[];
  /** What it reserves of its RAM for others. */
  readonly reserved: readonly (PlatformRange & { readonly name: string })[];
  /** Everything else that is switched on. */
  readonly devices: readonly PlatformDevice[];
  /** What it doesn't say, or says in a way that can't be right. */
  readonly problems: readonly string[];
  /** What was taken, as lines that `check` prints. */
  readonly report: readonly string[];
}

/** A description that can't be read. The one error of a {@linkcode PlatformReader}. */
export class PlatformError extends Error {
  /** For whoever compares names. */
  override readonly name = "PlatformError";
}

/** Fetches and reads the description that a manifest names. Throws a {@linkcode PlatformError}, or why it can't be had. */
export type PlatformReader = (reference: string) => Promise<Platform>;

/** RAM of a platform that a machine takes at most without being told how much, in bytes: all RAM lies in one WebAssembly memory. */
export const PLATFORM_RAM_LIMIT = 3.5 * 2 ** 30;

/** The first banks of a platform, up to {@linkcode PLATFORM_RAM_LIMIT}. */
export function platformRam(platform: Platform): PlatformRange[] {
  let left = PLATFORM_RAM_LIMIT;
  const banks: PlatformRange[] = [];
  for (const { at, size } of platform.memory) {
    const taken = Math.min(size, left);
    if (taken > 0) banks.push({ at, size: taken });
    left -= taken;
  }
  return banks;
}
