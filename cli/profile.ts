/** `run --profile`: what the CPU tells of where a guest's instructions went, with the names of a symbol table. */
import type { Override } from "../core/mod.ts";

/** The trace event that brings the profile. */
export const PROFILE = "profile";

/** Turns it on. */
export const profileOverride: Override = { flag: "--profile", path: "plugins.cpu_a64.profile", value: "report" };

interface Symbol {
  readonly at: bigint;
  readonly name: string;
}

/** Symbols as `nm`, System.map and /proc/kallsyms have them: an address, a letter, a name. Other lines don't count; nor do addresses of 0. */
export function parseSymbols(text: string): readonly Symbol[] {
  const symbols: Symbol[] = [];
  for (const line of text.split("\n")) {
    const [, address, name] = line.match(/^([0-9a-f]{4,16}) [a-zA-Z] (\S+)/) ?? [];
    // $x and $d mark code and data.
    if (address !== undefined && !name.startsWith("$") && BigInt(`0x${address}`) !== 0n) symbols.push({ at: BigInt(`0x${address}`), name });
  }
  return symbols.sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0);
}

/** A profile whose addresses have names behind them. */
export function withSymbols(profile: string, symbols: readonly Symbol[]): string {
  return profile.replace(/0x[0-9a-f]{16}/g, (text) => {
    const name = nameOf(BigInt(text), symbols);
    return name === undefined ? text : `${text} ${name}`;
  });
}

/** Farther behind a symbol than that nothing is its. */
const REACH = 0x1_0000n;

function nameOf(address: bigint, symbols: readonly Symbol[]): string | undefined {
  let low = 0, high = symbols.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (symbols[middle].at <= address) low = middle + 1;
    else high = middle;
  }
  const found = symbols[low - 1];
  if (found === undefined || address - found.at >= REACH) return undefined;
  return `${found.name}+0x${(address - found.at).toString(16)}`;
}
