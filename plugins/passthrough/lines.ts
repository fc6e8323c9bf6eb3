/** Levels of lines, and who has them. */
import type { InterruptLine } from "../../core/mod.ts";
import type { BoardInterrupts } from "./contract.ts";

/** State, plain data: the devices whose output is high, by line. */
export interface LinesState {
  readonly high: Map<number, Set<string>>;
}

interface Owner {
  readonly name: string;
  readonly onLevel: (level: boolean) => void;
}

/** The implementation. */
export class BoardLines implements BoardInterrupts {
  readonly #owners = new Map<number, Owner>();

  constructor(readonly state: LinesState) {}

  output(intid: number, device: string): InterruptLine {
    checkLine(intid);
    return { intid, set: (level) => this.#set(intid, device, level) };
  }

  route(intid: number, name: string, onLevel: (level: boolean) => void): () => void {
    checkLine(intid);
    const holder = this.#owners.get(intid);
    if (holder) throw new RangeError(`the board's interrupt ${intid} belongs to ${holder.name}, and ${name} wants it`);
    const owner = { name, onLevel };
    this.#owners.set(intid, owner);
    onLevel(this.#isHigh(intid));
    return () => {
      if (this.#owners.get(intid) === owner) this.#owners.delete(intid);
    };
  }

  #isHigh(intid: number): boolean {
    return (this.state.high.get(intid)?.size ?? 0) > 0;
  }

  #set(intid: number, device: string, level: boolean): void {
    const { high } = this.state;
    const before = this.#isHigh(intid);
    if (level) high.set(intid, (high.get(intid) ?? new Set()).add(device));
    else high.get(intid)?.delete(device);
    const after = this.#isHigh(intid);
    if (after !== before) this.#owners.get(intid)?.onLevel(after);
  }
}

function checkLine(intid: number): void {
  if (!Number.isInteger(intid) || intid < 32 || intid > 1019) throw new RangeError(`INTID ${intid} is no SPI`);
}
