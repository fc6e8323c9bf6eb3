/** The state block of the physical CPU in the shared memory, with typed views. The memory never grows, so they are made once. */
import * as at from "../state.ts";
import type { StateBlock } from "../sysregs/mod.ts";
import { ELSEWHERE } from "./layout.ts";

/** Views of the shared memory and the place of the block in it. */
export class Block implements StateBlock {
  readonly words: Uint32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly halves: Uint16Array<SharedArrayBuffer>;
  readonly view: DataView<SharedArrayBuffer>;
  /** Index in `words` of the block's first word. */
  readonly base: number;

  /**
   * @param address byte offset of the block in the shared memory, a multiple of 16
   * @param touched which of its pages may hold something else than zeroes
   */
  constructor(
    readonly memory: WebAssembly.Memory,
    readonly address: number,
    readonly touched: Uint8Array = new Uint8Array(memory.buffer.byteLength >>> 12),
  ) {
    this.base = address >>> 2;
    const buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.words = new Uint32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.halves = new Uint16Array(buffer);
    this.view = new DataView(buffer);
  }

  /** A 32-bit field of the block. */
  get(offset: number): number {
    return this.words[this.base + (offset >>> 2)];
  }

  set(offset: number, value: number): void {
    this.words[this.base + (offset >>> 2)] = value;
  }

  /** A 64-bit field. */
  get64(offset: number): bigint {
    return this.view.getBigUint64(this.address + offset, true);
  }

  set64(offset: number, value: bigint): void {
    this.view.setBigUint64(this.address + offset, BigInt.asUintN(64, value), true);
  }

  setPair(offset: number, lo: number, hi: number): void {
    const i = this.base + (offset >>> 2);
    this.words[i] = lo;
    this.words[i + 1] = hi;
  }

  /** The run goes on at a branch to this address, and looks its page up, whichever was present. */
  branchAnew(lo: number, hi: number): void {
    this.setPair(at.TARGET, lo, hi);
    this.setPair(at.PAGE_VA, lo ^ ELSEWHERE, hi);
  }

  /** A general register by halves; 31 is zero. */
  xLo(n: number): number {
    return n === 31 ? 0 : this.words[this.base + (at.x(n) >>> 2)];
  }

  xHi(n: number): number {
    return n === 31 ? 0 : this.words[this.base + (at.x(n) >>> 2) + 1];
  }

  setX(n: number, lo: number, hi: number): void {
    if (n !== 31) this.setPair(at.x(n), lo, hi);
  }
}
