/** Types of `@std/path`, which its npm copy lacks. */

/** What {@linkcode parse} takes a path apart into. */
export interface ParsedPath {
  root: string;
  dir: string;
  base: string;
  ext: string;
  name: string;
}

/** Options of the glob functions. */
export interface GlobOptions {
  extended?: boolean;
  globstar?: boolean;
  caseInsensitive?: boolean;
}

/** Options of {@linkcode globToRegExp}. */
export type GlobToRegExpOptions = GlobOptions;

export declare const DELIMITER: ":" | ";";
export declare const SEPARATOR: "/" | "\\";
export declare const SEPARATOR_PATTERN: RegExp;

export declare function basename(path: string | URL, suffix?: string): string;
export declare function common(paths: string[]): string;
export declare function dirname(path: string | URL): string;
export declare function extname(path: string | URL): string;
export declare function format(pathObject: Partial<ParsedPath>): string;
export declare function fromFileUrl(url: string | URL): string;
export declare function globToRegExp(glob: string, options?: GlobToRegExpOptions): RegExp;
export declare function isAbsolute(path: string): boolean;
export declare function isGlob(str: string): boolean;
export declare function join(path?: string | URL, ...paths: string[]): string;
export declare function joinGlobs(globs: string[], options?: GlobOptions): string;
export declare function normalize(path: string | URL): string;
export declare function normalizeGlob(glob: string, options?: Pick<GlobOptions, "globstar">): string;
export declare function parse(path: string): ParsedPath;
export declare function relative(from: string, to: string): string;
export declare function resolve(...pathSegments: string[]): string;
export declare function toFileUrl(path: string): URL;
export declare function toNamespacedPath(path: string): string;
