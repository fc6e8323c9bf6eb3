/**
 * Reads what a real machine says of itself, a device tree blob, for a board's `platform: { dtb: … }`. Not a plugin that a board
 * uses: what it finds is the board's RAM, and data that plugins look at (`Board.platform`).
 *
 * A hostile blob: every offset and length is checked, cells and entries are bounded, nesting is limited, and nothing but a
 * `PlatformError` is thrown.
 * @module
 */
export { readPlatform } from "./read.ts";
