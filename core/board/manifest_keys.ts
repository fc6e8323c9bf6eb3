/** The keys of a manifest outside its plugins, described as data: checks, JSON Schema and documentation derive from them. */
import { PAGE_SIZE } from "../memory/address.ts";
import { MAX_COLOURS, parseColours } from "../memory/cache_colours.ts";
import { testProblem } from "./board_test_script.ts";
import { parseDuration } from "./option_values.ts";
import type { OptionSpecs } from "./options.ts";

/** Values of `ends` that can't be the name of a domain. */
export const LAST_DOMAIN = "last domain";
/** The same. */
export const FIRST_CRASH = "first crash";

/** At the top. */
export const boardKeys: OptionSpecs = {
  board: { kind: "text", doc: "Name of the board." },
  doc: { kind: "text", doc: "What the board is for, in a sentence.", default: "" },
  pcpus: {
    kind: "integer",
    doc: "Physical CPUs. Without it, as many as all domains together have vCPUs.",
    optional: true,
    min: 1,
    max: 64,
  },
  seed: { kind: "integer", doc: "Seeds everything random; the same seed gives the same run.", default: 0, min: 0, max: 2 ** 32 - 1 },
  time: {
    kind: "choice",
    doc: "Virtual time derives from retired instructions; host paces it against the wall clock.",
    choices: ["virtual", "host"],
    default: "virtual",
  },
  parallel: {
    kind: "boolean",
    doc: "Physical CPUs run at the same time, in threads of their own. Faster with several busy ones; such a run doesn't repeat exactly.",
    default: false,
  },
  nsPerInstruction: {
    kind: "integer",
    doc: "Virtual nanoseconds that an instruction takes; 1 is 1,000 MIPS.",
    default: 1,
    min: 1,
    max: 1_000_000,
  },
  bootTime: {
    kind: "integer",
    doc: "What a real-time clock shows at boot, in Unix seconds.",
    default: 1_767_225_600,
    min: 0,
    max: 2 ** 32 - 1,
  },
  ends: {
    kind: "text",
    doc: `What ends a run: the \`${LAST_DOMAIN}\` that ends, the \`${FIRST_CRASH}\` of any, or the end of the domain that is named.`,
    default: LAST_DOMAIN,
  },
  test: {
    kind: "any",
    doc:
      "What `plugboard test` expects of it: { steps: [{ expect: TEXT }, { send: TEXT }], fail: [TEXT], timeout: 60s }. A text between slashes is a regular expression.",
    optional: true,
    check: (value) => testProblem(value, (text) => typeof text === "string" && parseDuration(text) !== undefined),
  },
  cacheColours: {
    kind: "integer",
    doc: "Colours of the last-level cache: its size, divided by its ways and by 4 KiB. With more than one, each domain's RAM has its own.",
    default: 1,
    min: 1,
    max: MAX_COLOURS,
    check: (value) => Number.isInteger(Math.log2(value as number)) ? undefined : "a power of two",
  },
};

/** In `platform`. */
export const platformKeys: OptionSpecs = {
  dtb: { kind: "image", doc: "The machine's own device tree blob: its RAM, reserved memory, CPUs and devices." },
};

/** In an entry of `domains`. */
export const domainKeys: OptionSpecs = {
  name: {
    kind: "text",
    doc: "Name of the domain: letters, digits, - and _.",
    check: (value) => /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(value as string) ? undefined : "letters, digits, - and _, at most 63",
  },
  vcpus: { kind: "integer", doc: "Virtual CPUs.", default: 1, min: 1, max: 64 },
  cacheColours: {
    kind: "any",
    doc: "Cache colours of its RAM: `0-3,8`. Without it, those that no domain names.",
    optional: true,
    check: (value) => parseColours(value) ? undefined : "colours such as 2 or 0-3,8, ascending",
  },
};

/** A range of memory. */
export const rangeKeys: OptionSpecs = {
  at: { kind: "address", doc: "First address.", align: PAGE_SIZE },
  size: { kind: "size", doc: "Bytes.", align: PAGE_SIZE, min: PAGE_SIZE },
};

/** Keys that hold lists. */
export const structure = {
  platform: "A real machine that describes itself: the board gets its RAM and knows its devices.",
  memory: "Physical RAM banks. Without it, one bank at 0x4000_0000 with room for every domain.",
  plugins: "Plugins at board scope: set up once, attached to each domain.",
  domains: "The guests.",
  domainMemory: "Guest RAM: a size, or ranges of IPAs.",
  domainPlugins: "Plugins of this domain only, such as its devices.",
} as const;

/** Where RAM starts when a manifest gives only its size. */
export const DEFAULT_RAM_BASE = 0x4000_0000;

/** Physical RAM, in bytes, that holds so much guest RAM and the hypervisor's own tables. */
export function ramFor(guestBytes: number): number {
  const unit = 2 ** 21;
  return Math.ceil((guestBytes + Math.max(2 ** 26, guestBytes / 16)) / unit) * unit;
}
