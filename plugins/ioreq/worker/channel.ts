/** The Worker's end: what it asks of the hypervisor, and waits for. */
import { CALL_BYTES, CallKind, Double, Turn, Word } from "./area.ts";
import type { Area } from "./area.ts";
import { PostWriter } from "./posts.ts";
import { Spinner } from "./spin.ts";

const PAGE = 4096;

/** This Worker is given up: whatever it does now is nobody's. */
export class Quit extends Error {
  override readonly name = "Quit";
}

/** Calls and posts. */
export class Channel {
  readonly posts: PostWriter;
  readonly #spinner = new Spinner();

  constructor(readonly area: Area) {
    this.posts = new PostWriter(area, () => this.#ask(CallKind.DRAIN, 0, 0, 0));
  }

  /** Throws when this Worker is given up: Deno takes its time to end one, and until then it must not touch the disk. */
  check(): void {
    if (Atomics.load(this.area.words, Word.QUIT) !== 0) throw new Quit("given up");
  }

  /** Sleeps while a word has a value. */
  sleep(word: number, value: number): void {
    const { words } = this.area;
    if (this.#spinner.spin(words, word, value)) return;
    this.check();
    Atomics.wait(words, word, value);
    this.check();
  }

  /** Guest memory; undefined when the hypervisor refuses it. At most `CALL_BYTES`. */
  read(ipa: number, size: number): Uint8Array | undefined {
    return this.#ask(CallKind.READ, ipa, size, 0) ? this.area.call.slice(0, size) : undefined;
  }

  /** Pages of guest memory, by number, at most `PAGES_LIMIT`; undefined where none is now. */
  pages(numbers: readonly number[]): (Uint8Array | undefined)[] {
    const { call } = this.area;
    new Float64Array(call.buffer, call.byteOffset, numbers.length).set(numbers);
    this.#ask(CallKind.PAGES, 0, numbers.length, 0);
    return numbers.map((_, n) => call[numbers.length * PAGE + n] === 1 ? call.slice(n * PAGE, (n + 1) * PAGE) : undefined);
  }

  random(bytes: number): Uint8Array {
    const all = new Uint8Array(bytes);
    for (let done = 0; done < bytes; done += CALL_BYTES) {
      const size = Math.min(CALL_BYTES, bytes - done);
      this.#ask(CallKind.RANDOM, 0, size, 0);
      all.set(this.area.call.subarray(0, size), done);
    }
    return all;
  }

  /** False: the host can't. */
  diskRead(disk: number, offset: number, into: Uint8Array): boolean {
    for (let done = 0; done < into.length; done += CALL_BYTES) {
      const size = Math.min(CALL_BYTES, into.length - done);
      if (!this.#ask(CallKind.DISK_READ, offset + done, size, disk)) return false;
      into.set(this.area.call.subarray(0, size), done);
    }
    return true;
  }

  diskWrite(disk: number, offset: number, bytes: Uint8Array): boolean {
    for (let done = 0; done < bytes.length; done += CALL_BYTES) {
      const piece = bytes.subarray(done, done + CALL_BYTES);
      this.area.call.set(piece);
      if (!this.#ask(CallKind.DISK_WRITE, offset + done, piece.length, disk)) return false;
    }
    return true;
  }

  diskFlush(disk: number): boolean {
    return this.#ask(CallKind.DISK_FLUSH, 0, 0, disk);
  }

  #ask(kind: number, at: number, size: number, disk: number): boolean {
    this.check();
    const { words, doubles } = this.area;
    words[Word.CALL_KIND] = kind;
    words[Word.CALL_SIZE] = size;
    words[Word.CALL_DISK] = disk;
    doubles[Double.CALL_AT] = at;
    Atomics.store(words, Word.CALL, Turn.ASKED);
    this.area.ring(Word.BELL);
    this.sleep(Word.CALL, Turn.ASKED);
    while (Atomics.load(words, Word.CALL) === Turn.ASKED) this.sleep(Word.CALL, Turn.ASKED);
    return Atomics.load(words, Word.CALL_RESULT) === 1;
  }
}
