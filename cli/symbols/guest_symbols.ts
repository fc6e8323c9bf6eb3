/** Names of a guest's functions: from files, and from a Linux kernel's own table in the guest's memory. */
import type { Domain } from "../../core/mod.ts";
import { elfSymbols, isElf } from "./elf_symbols.ts";
import { kallsyms } from "./kallsyms.ts";
import { kernelModules } from "./kernel_modules.ts";
import type { KernelModule, ReadVirtual } from "./kernel_modules.ts";
import { SymbolTable } from "./symbol_table.ts";

/** How much of a guest's RAM is looked through. */
const LOOK_THROUGH = 2 ** 27;
/** A table is smaller than the overlap of two pieces. */
const PIECE = 2 ** 26, OVERLAP = 2 ** 24;

/** A symbol file: ELF, or text as nm, System.map and /proc/kallsyms have it. */
export function readSymbols(file: Uint8Array): SymbolTable {
  return isElf(file) ? new SymbolTable(elfSymbols(file)) : parseSymbols(new TextDecoder().decode(file));
}

/** An address, a letter, a name in each line. Other lines don't count. */
export function parseSymbols(text: string): SymbolTable {
  const symbols = [];
  for (const line of text.split("\n")) {
    const [, address, name] = line.match(/^([0-9a-f]{4,16}) [a-zA-Z] (\S+)/) ?? [];
    if (address !== undefined) symbols.push({ at: BigInt(`0x${address}`), name });
  }
  return new SymbolTable(symbols);
}

/** Symbols of each domain, looked for when somebody asks for the first time. */
export class GuestSymbols {
  readonly #kernels = new Map<Domain, SymbolTable | undefined>();
  /** By domain. */
  readonly #modules = new Map<string, readonly KernelModule[]>();
  #remembered: readonly Domain[] = [];

  constructor(readonly files: readonly SymbolTable[], readonly domains: () => readonly Domain[]) {}

  /** The domains go, and their names are still wanted. */
  remember(): void {
    this.#remembered = this.domains();
    for (const domain of this.#remembered) this.#kernel(domain);
  }

  /** The function that an address lies in: `cpu_do_idle+0x8`; of a module, which is found by reading: `p9_client_rpc+0x8 [9pnet]`. */
  readonly nameOf = (domain: string, va: bigint, read?: ReadVirtual): string | undefined =>
    this.#find(domain, va, (table) => table.nameOf(va)) ?? (read && this.#moduleName(domain, va, read));

  /** The same where nobody knows whose address it is: of those that are remembered. */
  readonly anyNameOf = (va: bigint): string | undefined => {
    for (const { name } of [{ name: "" }, ...this.#remembered]) {
      const found = this.nameOf(name, va);
      if (found !== undefined) return found;
    }
    return undefined;
  };

  /** The same without the offset. */
  readonly functionOf = (domain: string, va: bigint): string | undefined => this.#find(domain, va, (table) => table.find(va)?.name);

  #moduleName(domain: string, va: bigint, read: ReadVirtual): string | undefined {
    const kernel = va >> 48n === 0xffffn ? this.#kernelOf(domain) : undefined;
    if (kernel === undefined) return undefined;
    // They come and go: what isn't in those that were there is looked for again.
    for (const modules of [this.#modules.get(domain) ?? [], undefined]) {
      const all = modules ?? kernelModules(kernel, read);
      this.#modules.set(domain, all);
      const [nearest] = all.flatMap(({ name, table }) => {
        const symbol = table.find(va);
        return symbol ? [{ at: symbol.at, text: `${table.nameOf(va)} [${name}]` }] : [];
      }).sort((a, b) => a.at > b.at ? -1 : 1);
      if (nearest) return nearest.text;
    }
    return undefined;
  }

  #find(name: string, va: bigint, ask: (table: SymbolTable) => string | undefined): string | undefined {
    for (const table of this.files) {
      const found = ask(table);
      if (found !== undefined) return found;
    }
    // Only a kernel's addresses are in a kernel's table.
    const kernel = va >> 48n === 0xffffn ? this.#kernelOf(name) : undefined;
    return kernel && ask(kernel);
  }

  #kernelOf(name: string): SymbolTable | undefined {
    const domain = [...this.domains(), ...this.#remembered].find((candidate) => candidate.name === name);
    return domain && this.#kernel(domain);
  }

  #kernel(domain: Domain): SymbolTable | undefined {
    if (!this.#kernels.has(domain)) this.#kernels.set(domain, kernelSymbols(domain));
    return this.#kernels.get(domain);
  }
}

/** The table of the Linux kernel in a domain's memory. */
export function kernelSymbols(domain: Domain): SymbolTable | undefined {
  for (const { at, size } of domain.ram) {
    for (let from = 0; from < Math.min(size, LOOK_THROUGH); from += PIECE - OVERLAP) {
      const found = kallsyms(domain.readMemory(at + from, Math.min(PIECE, size - from)));
      if (found) return new SymbolTable(found);
    }
  }
  return undefined;
}
