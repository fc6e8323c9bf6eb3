/** `@std/yaml`, served from the npm package `deno-std` (the same code), with its types. @module */

// @ts-types="./types.d.ts"
export { parse, parseAll, stringify } from "deno-std/yaml/mod.js";
export type { ParseOptions, StringifyOptions } from "./types.d.ts";
