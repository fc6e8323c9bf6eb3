/** From what a manifest says to what a plugin gets: conversion and checks of option values. */
import { hex } from "../memory/address.ts";
import type { OptionKind, OptionSpec } from "./options.ts";
import { nearest } from "./suggest.ts";

/** Addresses have at most 48 bits. */
export const ADDRESS_LIMIT = 2 ** 48;

/** Why a value was refused. */
export interface ValueProblem {
  /** A code of {@linkcode Finding}. */
  readonly code: "M0103" | "M0104" | "M0105" | "M0106" | "M0107" | "M0406";
  /** The value, as text. */
  readonly found: string;
  /** What would fit, in words. */
  readonly wanted: string;
  /** What to do about it. */
  readonly help?: string;
  /** Index in a list. */
  readonly index?: number;
}

/** A converted value, or why there is none. */
export type Conversion = { readonly value: unknown } | { readonly problem: ValueProblem };

const sizeUnits: Readonly<Record<string, number>> = { "": 1, B: 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const timeUnits: Readonly<Record<string, number>> = { ns: 1, us: 1e3, "µs": 1e3, ms: 1e6, s: 1e9, min: 60e9, h: 3600e9 };

/** What each kind wants, in words. */
export const wantedByKind: Readonly<Record<OptionKind, string>> = {
  address: "an address below 2^48, such as 0x0900_0000",
  size: "a size, such as 512MiB, 4KiB or 0x1000",
  duration: "a time with its unit, such as 10ms, 250us or 1s",
  integer: "a whole number",
  interrupt: "an interrupt: spi 0 to spi 987, ppi 0 to ppi 15, or an INTID from 16 to 1019",
  boolean: "true or false",
  text: "text",
  choice: "one of the choices",
  image: "a file, an https: URL, deb:PACKAGE#PATH, a list of them or an initramfs",
  any: "a value",
};

/** A whole number as a manifest writes it: `7`, `0x4000_0000`, `1_000`. */
export function parseInteger(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isInteger(value) ? value : undefined;
  if (typeof value !== "string" || !/^[+-]?(0x[0-9a-f_]+|0b[01_]+|0o[0-7_]+|[0-9][0-9_]*)$/i.test(value)) return undefined;
  const negative = value.startsWith("-");
  const magnitude = Number(value.replace(/^[+-]/, "").replaceAll("_", ""));
  return Number.isNaN(magnitude) ? undefined : negative ? -magnitude : magnitude;
}

/** A size in bytes: `512MiB`, `512M`, `4 KiB`, `0x1000`, `4096`. Units are powers of 1024. */
export function parseSize(value: unknown): number | undefined {
  const plain = parseInteger(value);
  if (plain !== undefined) return plain;
  const match = typeof value === "string" ? /^([0-9][0-9_]*(?:\.[0-9]+)?) ?(?:([KMGT])(?:iB)?|B)$/.exec(value.trim()) : null;
  if (!match) return undefined;
  const bytes = Number(match[1].replaceAll("_", "")) * sizeUnits[match[2] ?? ""];
  return Number.isInteger(bytes) ? bytes : undefined;
}

/** `512 MiB`; what is no whole number of a unit in the next smaller one. */
export function printSize(bytes: number): string {
  for (const [unit, factor] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor} ${unit}`;
  }
  return `${bytes} bytes`;
}

/** A duration in nanoseconds: `10ms`, `1.5s`, `250us`; without a unit only 0. */
export function parseDuration(value: unknown): number | undefined {
  if (parseInteger(value) === 0) return 0;
  const match = typeof value === "string" ? /^([0-9][0-9_]*(?:\.[0-9]+)?) ?(ns|us|µs|ms|s|min|h)$/.exec(value.trim()) : null;
  if (!match) return undefined;
  const ns = Math.round(Number(match[1].replaceAll("_", "")) * timeUnits[match[2]] * 1e3) / 1e3;
  return Number.isInteger(ns) ? ns : undefined;
}

/** An INTID: `spi 1` is 33, `ppi 11` is 27. */
export function parseInterrupt(value: unknown): number | undefined {
  const match = typeof value === "string" ? /^(spi|ppi)[ :]?([0-9]+)$/i.exec(value.trim()) : null;
  if (!match) return parseInteger(value);
  const number = Number(match[2]);
  if (match[1].toLowerCase() === "spi") return number <= 987 ? 32 + number : undefined;
  return number <= 15 ? 16 + number : undefined;
}

/** A value as a finding prints it. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object") return "a mapping";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Lists and descriptions of images travel as JSON text, so that every image has one string that names it. */
function readImage(value: unknown): string | undefined {
  if (typeof value === "string") return value.trim() === "" ? undefined : value;
  return typeof value === "object" && value !== null ? JSON.stringify(value) : undefined;
}

const readers: Readonly<Record<OptionKind, (value: unknown) => unknown>> = {
  address: parseInteger,
  size: parseSize,
  duration: parseDuration,
  integer: parseInteger,
  interrupt: parseInterrupt,
  boolean: (value) => typeof value === "boolean" ? value : undefined,
  text: (value) => typeof value === "string" ? value : undefined,
  choice: (value) => typeof value === "string" || typeof value === "number" ? String(value) : undefined,
  image: readImage,
  any: (value) => value === null ? undefined : value,
};

/** Converts the value of one option. Never throws. */
export function convertOption(spec: OptionSpec, raw: unknown): Conversion {
  if (!spec.list) return checked(spec, convertOne(spec, raw));
  if (!Array.isArray(raw)) {
    return { problem: { code: "M0103", found: describe(raw), wanted: `a list of values, each ${wantedByKind[spec.kind]}` } };
  }
  const values: unknown[] = [];
  for (const [index, item] of raw.entries()) {
    const result = convertOne(spec, item);
    if ("problem" in result) return { problem: { ...result.problem, index } };
    values.push(result.value);
  }
  return checked(spec, { value: values });
}

function checked(spec: OptionSpec, result: Conversion): Conversion {
  if ("problem" in result || !spec.check) return result;
  const wrong = spec.check(result.value);
  if (wrong === undefined) return result;
  return { problem: { code: "M0107", found: describe(result.value), wanted: wrong } };
}

function convertOne(spec: OptionSpec, raw: unknown): Conversion {
  const value = readers[spec.kind](raw);
  if (value === undefined) {
    return { problem: { code: "M0103", found: describe(raw), wanted: wanted(spec), help: kindHelp(spec.kind, raw) } };
  }
  if (spec.kind === "choice" && spec.choices && !spec.choices.includes(value as string)) {
    const close = nearest(value as string, spec.choices);
    return { problem: { code: "M0106", found: describe(raw), wanted: wanted(spec), help: close && `did you mean ${close}?` } };
  }
  return typeof value === "number" ? bounded(spec, value, raw) : { value };
}

function bounded(spec: OptionSpec, value: number, raw: unknown): Conversion {
  const found = typeof raw === "string" || value < 4096
    ? describe(raw)
    : spec.kind === "address" || spec.kind === "size"
    ? hex(value)
    : String(value);
  const problem = (code: ValueProblem["code"], want: string): Conversion => ({ problem: { code, found, wanted: want } });
  const isAddress = spec.kind === "address";
  if (isAddress && value >= ADDRESS_LIMIT) return problem("M0406", "an address below 2^48, 0x1_0000_0000_0000");
  const least = spec.min ??
    (["address", "size", "duration"].includes(spec.kind) ? 0 : spec.kind === "interrupt" ? 16 : Number.MIN_SAFE_INTEGER);
  const most = spec.max ?? (spec.kind === "interrupt" ? 1019 : Number.MAX_SAFE_INTEGER);
  const print = (bound: number) => isAddress || spec.kind === "size" ? hex(bound) : spec.kind === "interrupt" ? line(bound) : String(bound);
  if (value < least || value > most) {
    const range = spec.max === undefined && spec.kind !== "interrupt"
      ? `at least ${print(least)}`
      : `from ${print(least)} to ${print(most)}`;
    return problem("M0104", value > Number.MAX_SAFE_INTEGER ? "a number that fits 53 bits" : range);
  }
  if (spec.align && value % spec.align !== 0) return problem("M0105", `a multiple of ${hex(spec.align)}`);
  return { value };
}

/** `spi 1`. */
const line = (intid: number): string => intid >= 32 ? `spi ${intid - 32}` : `ppi ${intid - 16}`;

/** What an option wants, in words. */
export function wanted(spec: OptionSpec): string {
  if (spec.kind === "choice" && spec.choices) return `one of ${spec.choices.join(", ")}`;
  if (spec.kind === "integer" && spec.min !== undefined && spec.max !== undefined) return `a whole number from ${spec.min} to ${spec.max}`;
  return wantedByKind[spec.kind];
}

function kindHelp(kind: OptionKind, raw: unknown): string | undefined {
  if (kind === "text" && (typeof raw === "number" || typeof raw === "boolean")) return `put it in quotes: "${raw}"`;
  if (kind === "duration" && typeof raw === "number") return `say the unit: ${raw}ms or ${raw}s`;
  if (kind === "boolean" && typeof raw === "string" && /^(yes|on|true)$/i.test(raw)) return "write true";
  if (kind === "boolean" && typeof raw === "string" && /^(no|off|false)$/i.test(raw)) return "write false";
  if (kind === "size" && typeof raw === "string" && /[kmgt]i?b?$/i.test(raw)) return "units are KiB, MiB, GiB and TiB, powers of 1024";
  return undefined;
}
