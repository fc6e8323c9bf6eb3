/**
 * `@std/cli`, served from the npm package `deno-std` (the same code), with its types.
 *
 * Only `parseArgs`: `unicodeWidth` and what rests on it need a data file that the npm package leaves out.
 *
 * @module
 */

export { parseArgs } from "./parse_args.ts";
export type { Args, ParseOptions } from "./parse_args.ts";
