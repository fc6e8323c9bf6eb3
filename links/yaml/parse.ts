/** `@std/yaml/parse`, served from the npm package `deno-std` (the same code), with its types. @module */

// @ts-types="./types.d.ts"
export { parse, parseAll } from "deno-std/yaml/parse.js";
export type { ParseOptions } from "./types.d.ts";
