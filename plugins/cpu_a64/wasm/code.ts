/** Code of a function under construction. */
import { Bytes } from "./bytes.ts";

/** Instructions as bytes. A local that is read where it has just been set is both at once: half of all reads are, and what a function has counts. */
export class Code extends Bytes {
  /** Where the last `local.set` begins and ends, while nothing but a read of the same local would make use of it. */
  #set = { from: 0, to: -1, index: 0 };

  localGet(index: number): void {
    const set = this.#set;
    if (set.to !== this.length || set.index !== index) this.u8(0x20).u32(index);
    else {
      this.change(set.from, 0x22);
      set.to = -1;
    }
  }

  localSet(index: number): void {
    const set = this.#set;
    set.from = this.length;
    set.index = index;
    this.u8(0x21).u32(index);
    set.to = this.length;
  }

  /** Something else may come to stand here. */
  divide(): void {
    this.#set.to = -1;
  }
}
