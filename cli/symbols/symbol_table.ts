/** Names of addresses. */

/** A name and the address that it stands for. */
export interface NamedAddress {
  readonly at: bigint;
  readonly name: string;
}

/** Farther behind a symbol than that nothing is its. */
const REACH = 0x1_0000n;

/** Symbols by address. */
export class SymbolTable {
  readonly symbols: readonly NamedAddress[];

  /** In any order. $x and $d, which mark code and data, are left out, and so are addresses of 0. */
  constructor(symbols: Iterable<NamedAddress>) {
    this.symbols = [...symbols].filter(({ at, name }) => at !== 0n && name !== "" && !/^\$[xd](\.|$)/.test(name))
      .sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0);
  }

  /** The symbol at an address or before it. */
  find(address: bigint): NamedAddress | undefined {
    let low = 0, high = this.symbols.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.symbols[middle].at <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.symbols[low - 1];
    return found === undefined || address - found.at >= REACH ? undefined : found;
  }

  /** `panic+0x10`. */
  nameOf(address: bigint): string | undefined {
    const found = this.find(address);
    return found && `${found.name}+0x${(address - found.at).toString(16)}`;
  }
}
