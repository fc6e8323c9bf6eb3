/** `run --profile`: what the CPU tells of where a guest's instructions went, with the names of its functions. */
import type { Override } from "../../core/mod.ts";

/** The trace event that brings the profile. */
export const PROFILE = "profile";

/** Turns it on. */
export const profileOverride: Override = { flag: "--profile", path: "plugins.cpu_a64.profile", value: "report" };

/** A profile whose addresses have names behind them, where there are some. */
export function withSymbols(profile: string, nameOf: (va: bigint) => string | undefined): string {
  return profile.replace(/0x[0-9a-f]{16}/g, (text) => {
    const name = nameOf(BigInt(text));
    return name === undefined ? text : `${text} ${name}`;
  });
}
