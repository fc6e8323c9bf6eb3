/** `@std/cli/parse-args`, served from the npm package `deno-std` (the same code), with its types. @module */

// @ts-types="./types.d.ts"
export { parseArgs } from "deno-std/cli/parse_args.js";
export type { Args, ParseOptions } from "./types.d.ts";
