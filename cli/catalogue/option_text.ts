/** Options of plugins in words: what they take, and their defaults as a manifest would write them. */
import { hex, printSize, wanted } from "../../core/mod.ts";
import type { OptionSpec } from "../../core/mod.ts";

/** `an address; default 0x0900_0000`. */
export function specText(spec: OptionSpec): string {
  const missing = spec.default !== undefined ? `default ${defaultText(spec)}` : spec.optional ? "optional" : "required";
  return `${wantText(spec)}; ${missing}${onlyText(spec)}`;
}

/** The same without what holds where it is missing: `an address`. */
export function valueText(spec: OptionSpec): string {
  return `${wantText(spec)}${onlyText(spec)}`;
}

function wantText(spec: OptionSpec): string {
  return spec.list ? `a list, each ${wanted(spec)}` : wanted(spec);
}

function onlyText({ onlyWith = {} }: OptionSpec): string {
  const [other, values] = Object.entries(onlyWith)[0] ?? [];
  return other === undefined ? "" : `; only with ${other}${values === "given" ? "" : ` ${(values as unknown[]).join(", ")}`}`;
}

/** A default, as a manifest would write it. */
export function defaultText({ kind, default: value }: OptionSpec): string {
  if (typeof value !== "number") return typeof value === "string" && kind !== "text" ? value : JSON.stringify(value);
  if (kind === "address") return hex(value);
  if (kind === "size") return printSize(value);
  if (kind === "interrupt") return value >= 32 ? `spi ${value - 32}` : `ppi ${value - 16}`;
  return kind === "duration" ? `${value}ns` : String(value);
}
