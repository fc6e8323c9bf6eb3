/** `@std/assert`, served from the npm package `deno-std` (the same code), with its types. @module */

// @ts-types="./types.d.ts"
export * from "deno-std/assert/mod.js";
