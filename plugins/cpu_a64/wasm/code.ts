/** Code of a function under construction. */
import { Bytes } from "./bytes.ts";

export const LOCAL_GET = 0x20, LOCAL_SET = 0x21, LOCAL_TEE = 0x22;

/** Instructions as bytes. A local that is read where it has just been set is both at once: half of all reads are, and what a function has counts. */
export class Code extends Bytes {
  /** Where the last `local.set` begins and ends, while nothing but a read of the same local would make use of it. */
  #set = { from: 0, to: -1, index: 0 };

  localGet(index: number): void {
    const set = this.#set;
    if (set.to !== this.length || set.index !== index) this.u8(LOCAL_GET).u32(index);
    else {
      this.change(set.from, LOCAL_TEE);
      set.to = -1;
    }
  }

  localSet(index: number): void {
    const set = this.#set;
    set.from = this.length;
    set.index = index;
    this.u8(LOCAL_SET).u32(index);
    set.to = this.length;
  }

  /** Something else may come to stand here. */
  divide(): void {
    this.#set.to = -1;
  }
}
