/** Options of plugins, described as data: the checker, the JSON Schema and the documentation derive from it. */

/** What kind of value an option takes, and how the manifest may write it. */
export type OptionKind =
  /** An address: `0x0900_0000`, number or string. At most 48 bits. Becomes a number. */
  | "address"
  /** A size in bytes: `512MiB`, `4KiB`, `0x1000`. Becomes a number. */
  | "size"
  /** A duration: `10ms`, `1s`, `250us`. Becomes a number of nanoseconds. */
  | "duration"
  /** A whole number with optional bounds. */
  | "integer"
  /** An interrupt: `spi 1`, `ppi 11` or an INTID number. Becomes an INTID. */
  | "interrupt"
  | "boolean"
  | "text"
  /** One of `choices`. */
  | "choice"
  /** A file, an `https:` URL, a `deb:PACKAGE#PATH`, a list of them or an initramfs. Becomes a string (lists and objects as JSON), the name of the image. */
  | "image"
  /** Anything plain; `check` validates it. */
  | "any";

/** One option. */
export interface OptionSpec {
  /** What kind of value it takes. */
  readonly kind: OptionKind;
  /** One sentence with units, shown by `devices` and in the editor. */
  readonly doc: string;
  /** Absent and no default: the option is required, unless `optional`. */
  readonly default?: unknown;
  /** May be left out; the plugin then gets `undefined`. */
  readonly optional?: boolean;
  /** What a `choice` may be. */
  readonly choices?: readonly string[];
  /** The least value. */
  readonly min?: number;
  /** The greatest value. */
  readonly max?: number;
  /** The value must be a multiple of this. */
  readonly align?: number;
  /** A list of such values. */
  readonly list?: boolean;
  /** It has an effect only where each of these options has one of the values, or is given at all: elsewhere `check` warns. */
  readonly onlyWith?: Readonly<Record<string, readonly unknown[] | "given">>;
  /** A further check on the converted value: returns what is wrong, or nothing. */
  readonly check?: (value: unknown) => string | undefined;
}

/** The options of a plugin, by name. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;
