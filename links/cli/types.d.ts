/** Types of `@std/cli`, which its npm copy lacks. The result of `parseArgs` is looser here than in the original. */

// deno-lint-ignore-file no-explicit-any -- the original types unknown flags as any

/** What {@linkcode parseArgs} returns. */
export type Args = { _: Array<string | number>; "--"?: string[]; [name: string]: any };

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  "--"?: boolean;
  alias?: Record<string, string | readonly string[]>;
  boolean?: boolean | string | readonly string[];
  default?: Record<string, unknown>;
  stopEarly?: boolean;
  string?: string | readonly string[];
  collect?: string | readonly string[];
  negatable?: string | readonly string[];
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

export declare function parseArgs(args: string[], options?: ParseOptions): Args;
