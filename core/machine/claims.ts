/** Who claimed what: one table for the board, one for each domain on top of it. */
import { hex } from "../memory/address.ts";
import { OverlapError, rangeText, WindowTable } from "../memory/mmio.ts";
import type { Window } from "../memory/mmio.ts";
import type { Vcpu } from "./domain.ts";
import type { Answer, DeferringMmioHandler, Exceptions, ImmediateAnswer, SmcccCall, SmcccResult, Trap } from "../arch/exceptions.ts";

/** Something with an owner. */
interface Owned<T> {
  readonly owner: string;
  readonly handler: T;
}

/** A range of SMCCC functions. */
interface Calls {
  readonly from: number;
  readonly to: number;
  readonly conduits: readonly ("hvc" | "smc")[];
  readonly handler: (call: SmcccCall) => SmcccResult;
}

/** Handlers of a system register. */
export interface RegisterHandler {
  read?(vcpu: Vcpu): bigint;
  write?(vcpu: Vcpu, value: bigint): void;
}

/** Claims of one scope. */
export class ClaimTable {
  readonly #classes = new Map<number, Owned<(trap: Trap) => Answer>>();
  readonly #immediates = new Map<number, Owned<(trap: Trap) => ImmediateAnswer>>();
  readonly #registers = new Map<string, Owned<RegisterHandler>>();
  readonly #calls: Owned<Calls>[] = [];
  readonly #windows = new WindowTable<Owned<DeferringMmioHandler>>("IPA");
  #others: Owned<DeferringMmioHandler & { holds(ipa: number): boolean }> | undefined;

  /** `board`: claims that hold for this table as well. */
  constructor(readonly board?: ClaimTable) {}

  /** Claims of this table alone. */
  get size(): number {
    const others = this.#others === undefined ? 0 : 1;
    return this.#classes.size + this.#immediates.size + this.#registers.size + this.#calls.length + this.#windows.all.length + others;
  }

  class(ec: number): Owned<(trap: Trap) => Answer> | undefined {
    return this.#classes.get(ec) ?? this.board?.class(ec);
  }

  immediate(value: number): Owned<(trap: Trap) => ImmediateAnswer> | undefined {
    return this.#immediates.get(value) ?? this.board?.immediate(value);
  }

  register(name: string): Owned<RegisterHandler> | undefined {
    return this.#registers.get(name) ?? this.board?.register(name);
  }

  calls(functionId: number, conduit: "hvc" | "smc"): Owned<Calls> | undefined {
    const own = this.#calls.find(({ handler }) =>
      functionId >= handler.from && functionId <= handler.to && handler.conduits.includes(conduit)
    );
    return own ?? this.board?.calls(functionId, conduit);
  }

  /** The window that holds an address; the access may still reach beyond its end. */
  window(
    ipa: number,
  ): { readonly at: number; readonly size: number; readonly name: string; readonly value: Owned<DeferringMmioHandler> } | undefined {
    return this.#windows.find(ipa) ?? this.board?.window(ipa) ?? this.#other(ipa);
  }

  /** The door for one plugin instance. */
  forInstance(owner: string): Exceptions {
    return {
      claim: (ec, handler) => {
        if (!Number.isInteger(ec) || ec < 0 || ec > 63) throw new RangeError(`${owner}: exception class ${ec}`);
        this.#refuse(this.class(ec), owner, `exception class ${hex(ec)}`);
        this.#classes.set(ec, { owner, handler });
      },
      claimCalls: (from, to, conduits, handler) => {
        if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from || to > 0xffff_ffff) {
          throw new RangeError(`${owner}: SMCCC functions ${from} to ${to}`);
        }
        const range = `SMCCC functions ${hex(from)}..${hex(to)}`;
        this.#refuse(this.#overlappingCalls(from, to, conduits), owner, range);
        this.#calls.push({ owner, handler: { from, to, conduits: [...conduits], handler } });
      },
      claimImmediate: (immediate, handler) => {
        if (!Number.isInteger(immediate) || immediate < 1 || immediate > 0xffff) {
          throw new RangeError(`${owner}: HVC immediate ${immediate}`);
        }
        this.#refuse(this.immediate(immediate), owner, `HVC ${hex(immediate)}`);
        this.#immediates.set(immediate, { owner, handler });
      },
      claimRegister: (register, handler) => {
        this.#refuse(this.register(register), owner, `system register ${register}`);
        this.#registers.set(register, { owner, handler });
      },
      claimMmio: (at, size, name, handler) => {
        const other = this.board?.overlappingWindow(at, size);
        if (other) {
          throw new OverlapError(
            `IPA window ${rangeText(at, size)} of ${owner} (${name}) overlaps ${rangeText(other.at, other.size)} of ${other.name}`,
            [owner, other.value.owner],
          );
        }
        this.#windows.add(at, size, name === "" ? owner : `${owner} (${name})`, { owner, handler });
      },
      claimOtherMmio: (handler) => {
        this.#refuse(this.#others, owner, "every IPA that is nobody's");
        this.#others = { owner, handler };
      },
    };
  }

  #other(ipa: number) {
    const value = this.#others;
    return value?.handler.holds(ipa) !== true ? undefined : { at: 0, size: 2 ** 48, name: value.owner, value };
  }

  /** The first window that touches a range. */
  overlappingWindow(at: number, size: number): Window<Owned<unknown>> | undefined {
    return this.#windows.overlapping(at, size);
  }

  #overlappingCalls(from: number, to: number, conduits: readonly ("hvc" | "smc")[]): Owned<Calls> | undefined {
    const own = this.#calls.find(({ handler }) =>
      from <= handler.to && handler.from <= to && handler.conduits.some((conduit) => conduits.includes(conduit))
    );
    return own ?? (this.board ? this.board.#overlappingCalls(from, to, conduits) : undefined);
  }

  #refuse(other: { readonly owner: string } | undefined, owner: string, what: string): void {
    if (other) throw new OverlapError(`${what}: ${owner} claims it, and ${other.owner} has it`, [owner, other.owner]);
  }
}
