/** Types of `@std/yaml`, which its npm copy lacks. */

/** The YAML schemas, by what they understand. */
export type SchemaType = "failsafe" | "json" | "core" | "default" | "extended";

/** Options of {@linkcode parse}. */
export interface ParseOptions {
  /** `default` unless said otherwise. */
  schema?: SchemaType;
  /** When true, a repeated key overwrites the earlier one instead of throwing. */
  allowDuplicateKeys?: boolean;
  /** Called with an error for each warning. */
  onWarning?(error: Error): void;
}

/** Options of {@linkcode stringify}. */
export interface StringifyOptions {
  indent?: number;
  arrayIndent?: boolean;
  skipInvalid?: boolean;
  flowLevel?: number;
  styles?: Record<string, string>;
  schema?: SchemaType;
  sortKeys?: boolean | ((a: string, b: string) => number);
  lineWidth?: number;
  useAnchors?: boolean;
  compatMode?: boolean;
  condenseFlow?: boolean;
}

export declare function parse(content: string, options?: ParseOptions): unknown;
export declare function parseAll(content: string, options?: ParseOptions): unknown;
export declare function stringify(data: unknown, options?: StringifyOptions): string;
