/**
 * The memory that a machine's RAM lies in, and its next one's: to the host each is hundreds of megabytes, although few are used, and it looks
 * for garbage whenever a few are made. Forks by the hundred would take most of their time for that.
 */
import { PAGE_SIZE } from "./address.ts";

const WASM_PAGE = 65536;
/** Memories that are kept. */
const KEPT = 2;
/** Pages of one that the host holds for it, at most: its zeroes aren't free. */
const MAX_RESIDENT = 16_384;

/** All zeroes in the beginning. */
export interface SharedMemory {
  readonly wasm: WebAssembly.Memory;
  /** One byte for each 4 KiB, 1 where something else than zeroes may be. */
  readonly touched: Uint8Array;
  /** One byte for each 4 KiB: 1 where a machine that is gone wrote. */
  readonly resident: Uint8Array;
  /** How many of them are 1. */
  residents: number;
}

const kept: SharedMemory[] = [];

/** One of so many bytes, a multiple of 64 KiB; `touched` ends at `touchedEnd`. Throws a `RangeError` when the host has no room. */
export function takeSharedMemory(bytes: number, touchedEnd: number): SharedMemory {
  const found = kept.findIndex(({ wasm }) => wasm.buffer.byteLength === bytes);
  if (found >= 0) return kept.splice(found, 1)[0];
  // It never grows: with a maximum that says so, generated code needn't look its size up at each access.
  const wasm = new WebAssembly.Memory({ initial: bytes / WASM_PAGE, maximum: bytes / WASM_PAGE, shared: true });
  const pages = bytes / PAGE_SIZE;
  return { wasm, touched: new Uint8Array(wasm.buffer, touchedEnd - pages, pages), resident: new Uint8Array(pages), residents: 0 };
}

/**
 * Nobody uses it any more, nor looks into it. `absent`: pages that are 1 there were never written to, whatever `touched` says. `others`: what
 * else may be other than zero, besides the pages that were touched.
 */
export function giveSharedMemory(
  memory: SharedMemory,
  absent: Uint8Array | undefined,
  others: readonly { readonly at: number; readonly size: number }[],
): void {
  const { touched, resident, wasm } = memory;
  for (const { at, size } of others) touched.fill(1, Math.floor(at / PAGE_SIZE), Math.ceil((at + size) / PAGE_SIZE));
  const pages: number[] = [];
  for (let page = touched.indexOf(1); page >= 0; page = touched.indexOf(1, page + 1)) if (!absent?.[page]) pages.push(page);
  for (const page of pages) {
    memory.residents += 1 - resident[page];
    resident[page] = 1;
  }
  if (memory.residents > MAX_RESIDENT) return;
  const bytes = new Uint8Array(wasm.buffer);
  for (const page of pages) bytes.fill(0, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  touched.fill(0);
  kept.push(memory);
  if (kept.length > KEPT) kept.shift();
}
