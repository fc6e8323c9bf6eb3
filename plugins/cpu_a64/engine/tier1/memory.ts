/** Loads and stores of a region: what is asked once of a page stays at hand. */
import { call, type I32, i32, type I64, i64, type Local, type Type, type Value } from "../../wasm/mod.ts";
import { copyEmptyWindow } from "./empty_window.ts";
import { type Held, LAST_WINDOW, type Loop, type Window } from "./held.ts";
import { type JointChecks, type Origins, UNMOVED } from "./joint_checks.ts";
import { READ_ACCESS, UPDATE_ACCESS, WINDOW_ADDEND, WINDOW_SIZE, WRITE_ACCESS } from "./region_place.ts";
import { RegionVectors } from "./vector_registers.ts";

/** What literals have as number of the base register. */
const LITERALS = 32;

/** Emits accesses to memory. */
export abstract class RegionMemory extends RegionVectors {
  /** What the present place's locals hold. */
  protected holds: Held = { registers: 0, windows: 0 };
  readonly #windows = new Map<number, Window>();
  /** In a fast copy of a loop. */
  #joint: JointChecks | undefined;
  #origins = [...UNMOVED];

  /** What registers are, in a fast copy or where it is chosen. */
  protected get origins(): Origins {
    return this.#joint ? [...this.#origins] : UNMOVED;
  }

  protected enterCopy(joint: JointChecks | undefined, origins: Origins): void {
    this.#joint = joint;
    if (joint) this.#origins = [...origins];
  }

  /** A general register's local is read. */
  protected asRead(n: number, value: I64): I64 {
    return this.#joint ? this.#joint.note(value, this.#origins[n]) : value;
  }

  /** It gets a value. */
  protected noteWrite(n: number, value: I64): void {
    this.#origins[n] = this.#joint?.originOf(value);
  }

  override let<T extends Type>(value: Value<T>): Value<T> {
    const local = super.let(value);
    return this.#joint ? this.#joint.note(local, this.#joint.originOf(value)) : local;
  }

  /** What `body` emits may be skipped: it checks its accesses, and what it writes is unknown. */
  protected skippable(body: () => void): void {
    const joint = this.#joint;
    this.#joint = undefined;
    body();
    this.#joint = joint;
  }

  /** Whether all accesses that are checked together are in the pages of their windows; where they are in the host's memory. */
  writeJointChecks({ groups }: JointChecks, areInside: Local<"i32">): void {
    const { f } = this.place;
    f.set(areInside, i32.const(1));
    for (const { register, window, low, high, host } of groups) {
      const at = this.localOf(register).value;
      const from = i64.add(at, i64.const(BigInt(low)));
      f.set(areInside, i32.and(areInside.value, i32.eqz(isOutside(from, i64.load(i32.const(0), window), high - low))));
      f.set(host, i32.add(i32.load(i32.const(0), window + WINDOW_ADDEND), i32.wrap(at)));
    }
  }

  /** Of a general register. */
  protected abstract localOf(n: number): Local<"i64">;

  /** Before a loop, with the pages that are known there; at a place for what is known later. */
  protected setWindows({ windows, before }: Loop): void {
    const { f, windows: first } = this.place;
    for (const window of windows) {
      const known = this.#windows.get((window - first) / WINDOW_SIZE);
      if (known === undefined || !(before.windows & known.bit)) copyEmptyWindow(f, window, first);
      else {
        f.store("i64", i32.const(0), known.tag.value, window);
        f.store("i32", i32.const(0), known.addend.value, window + WINDOW_ADDEND);
      }
    }
  }

  protected override readable(address: I64, size: number, unprivileged: boolean): I32 {
    return this.#host(this.let(address), size, unprivileged, READ_ACCESS);
  }

  protected override write(address: I64, size: number, unprivileged: boolean, put: (host: I32, offset: number) => void): void {
    put(this.#host(this.let(address), size, unprivileged, WRITE_ACCESS), 0);
  }

  protected override atomicHost(address: I64, size: number): I32 {
    const va = this.let(address);
    this.checkAligned(va, size);
    return this.#host(va, size, false, UPDATE_ACCESS);
  }

  protected override checkAligned(va: I64, size: number): void {
    if (size > 1) this.place.bail(i32.and(i32.wrap(va), i32.const(size - 1)));
  }

  /**
   * Host address of an access. Nothing changes a translation while a region runs, so the page that a base register
   * pointed to last stays at hand, a TLB of one entry for each of them, one for loads and one for stores.
   */
  #host(va: I64, size: number, unprivileged: boolean, access: number): I32 {
    const { f } = this.place;
    const key = (this.fieldsOf().Rn ?? LITERALS) + (unprivileged ? 33 : 0) + (access === READ_ACCESS ? 0 : 66);
    if (this.present) return this.#hostInLoop(va, size, unprivileged, access, key);
    const { bit, tag, addend } = this.#window(key);
    const lookUp = () => {
      const found = f.tee(addend, call("i32", this.place.look(access, unprivileged), va, i32.const(size - 1)));
      this.place.bail(i32.and(found, i32.const(1)));
      f.set(tag, i64.and(va, i64.const(-4096n)));
    };
    if (this.holds.windows & bit) f.ifUnlikely(isOutside(va, tag.value, size), lookUp);
    else {
      lookUp();
      if (bit !== 1 << LAST_WINDOW) this.holds.windows |= bit;
    }
    return this.let(i32.add(addend.value, i32.wrap(va)));
  }

  #hostInLoop(va: I64, size: number, unprivileged: boolean, access: number, key: number): I32 {
    const { f, windows, refill } = this.place;
    const window = windows + key * WINDOW_SIZE;
    const loop = this.present!;
    loop.windows.add(window);
    const joint = unprivileged ? undefined : this.#joint?.access(va, size, window, () => f.unscoped(() => f.local("i32")));
    if (joint) {
      loop.used |= 1 << joint.register;
      return joint.host;
    }
    f.ifUnlikely(isOutside(va, i64.load(i32.const(0), window), size), () => {
      this.place.bail(call("i32", refill(access, unprivileged), va, i32.const(size - 1), i32.const(window)));
    });
    return this.let(i32.add(i32.load(i32.const(0), window + WINDOW_ADDEND), i32.wrap(va)));
  }

  /** Outside of loops: locals of the page that the present instruction's base register pointed to last; literals have one together. */
  #window(key: number): Window {
    let window = this.#windows.get(key);
    if (window === undefined) {
      const { f } = this.place;
      // Those that have no bit left share the last one's, which is never held.
      const bit = 1 << Math.min(this.#windows.size, LAST_WINDOW);
      this.#windows.set(key, window = f.unscoped(() => ({ bit, tag: f.local("i64"), addend: f.local("i32") })));
    }
    return window;
  }

  protected override zeroable(va: I64): I32 {
    return this.#host(va, 64, false, WRITE_ACCESS);
  }
}

/** Whether an access is not inside of the page with this VA, all of it. */
function isOutside(va: I64, page: I64, size: number): I32 {
  return i64.gt_u(i64.sub(va, page), i64.const(BigInt(4096 - size)));
}
