/**
 * The framework's copy of a device's state. It is what the Worker wrote with the latest answer, and it is read only when somebody looks:
 * on a reboot, in a snapshot.
 */
import { readPlain } from "./plain_data.ts";

/** Keeps the bytes, and shows them as the properties of an object. */
export class StateMirror {
  bytes: Uint8Array | undefined;
  #read: { readonly of: Uint8Array; readonly value: Readonly<Record<string, unknown>> } | undefined;

  /** From now on the properties of `state` are what the Worker has. */
  constructor(private readonly state: Record<string, unknown>, private readonly unreadable: (why: string) => void) {
    this.#initial = { ...state };
    for (const key of Object.keys(state)) {
      Object.defineProperty(state, key, { enumerable: true, configurable: true, get: () => this.#value()[key] });
    }
  }

  readonly #initial: Readonly<Record<string, unknown>>;

  /** From now on they are values again. */
  settle(): void {
    for (const [key, value] of Object.entries(this.#value())) {
      if (key in this.#initial) Object.defineProperty(this.state, key, { enumerable: true, configurable: true, writable: true, value });
    }
  }

  #value(): Readonly<Record<string, unknown>> {
    const { bytes } = this;
    if (bytes === undefined) return this.#initial;
    if (this.#read?.of === bytes) return this.#read.value;
    let value: Readonly<Record<string, unknown>> = this.#read?.value ?? this.#initial;
    try {
      // What comes out is whatever the Worker wanted: it counts only where it has the shape that the device declared.
      const candidate: unknown = readPlain(bytes);
      const isSame = typeof candidate === "object" && candidate !== null &&
        Object.keys(this.#initial).every((key) =>
          Object.hasOwn(candidate, key) && sameKind((candidate as Record<string, unknown>)[key], this.#initial[key])
        );
      if (isSame) value = candidate as Readonly<Record<string, unknown>>;
      else this.unreadable("its state hasn't the shape that the device declares");
    } catch (error) {
      this.unreadable(`its state can't be read: ${error}`);
    }
    this.#read = { of: bytes, value };
    return value;
  }
}

function sameKind(found: unknown, declared: unknown): boolean {
  if (declared === undefined || declared === null) return true;
  if (typeof found !== typeof declared || Array.isArray(found) !== Array.isArray(declared)) return found === undefined;
  return typeof declared !== "object" || found === null ||
    Object.prototype.toString.call(found) === Object.prototype.toString.call(declared);
}
