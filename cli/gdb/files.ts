/**
 * Files that GDB reads from here: for each domain its symbols, where they are known. GDB takes them for the program's file, without being
 * told. GDB manual, "File-I/O", "Host I/O Packets". There are no files of this host: names are ours, and nothing is written.
 */
import type { Domain } from "../../core/mod.ts";
import { kernelSymbols } from "../symbols/guest_symbols.ts";
import { textOf } from "../console/byte_text.ts";
import { fromHex, number, PACKET_LIMIT } from "./packets.ts";
import { symbolElf } from "./symbol_elf.ts";
import type { Threads } from "./threads.ts";

const NO_ENTRY = "F-1,2", BAD_NUMBER = "F-1,9", READ_ONLY = "F-1,1e";
/** O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_TRUNC, O_EXCL as the protocol numbers them. */
const WRITES = 0xe0bn;
/** A regular file that anybody may read. */
const MODE = 0o100444;
/** Files that may be open at once. */
const MOST_OPEN = 16;

/** A GDB's files. */
export class SymbolFiles {
  readonly #files = new Map<Domain, Uint8Array | undefined>();
  readonly #open = new Map<number, Uint8Array>();

  /** Where the run was at the latest look. */
  readonly #looked = new Map<Domain, number>();

  constructor(readonly threads: Threads, readonly position: () => number) {}

  /** The name of a domain's file; absent when its symbols aren't known. */
  nameOf(process: number): string | undefined {
    const domain = this.threads.processes.get(process);
    return domain && this.#file(domain) ? `/plugboard/${domain.name}` : undefined;
  }

  #file(domain: Domain): Uint8Array | undefined {
    // What isn't there now may be later: a kernel that unpacks itself.
    if (this.#files.get(domain) === undefined && this.#looked.get(domain) !== this.position()) {
      this.#looked.set(domain, this.position());
      const found = kernelSymbols(domain);
      this.#files.set(domain, found && symbolElf(found.symbols));
    }
    return this.#files.get(domain);
  }

  /** Answers `vFile:` packets; the empty answer to what isn't known. */
  answer(body: string): string {
    const [, operation, rest = ""] = body.split(":");
    const args = rest.split(",");
    switch (operation) {
      case "setfs":
        return "F0";
      case "open":
        return this.#openFile(args);
      case "close":
        return this.#open.delete(Number(number(args[0]) ?? -1n)) ? "F0" : BAD_NUMBER;
      case "fstat":
        return this.#stat(args);
      case "pread":
        return this.#read(args);
      default:
        return "";
    }
  }

  #openFile([name, flags]: readonly string[]): string {
    const path = new TextDecoder().decode(fromHex(name ?? ""));
    const domain = [...this.threads.processes.values()].find((candidate) => path === `/plugboard/${candidate.name}`);
    const file = domain && this.#file(domain);
    if (file === undefined) return NO_ENTRY;
    if ((number(flags) ?? 0n) & WRITES) return READ_ONLY;
    let descriptor = 3;
    while (this.#open.has(descriptor)) descriptor++;
    if (this.#open.size >= MOST_OPEN) return BAD_NUMBER;
    this.#open.set(descriptor, file);
    return `F${descriptor.toString(16)}`;
  }

  #stat([descriptor]: readonly string[]): string {
    const file = this.#open.get(Number(number(descriptor) ?? -1n));
    if (file === undefined) return BAD_NUMBER;
    const stat = new DataView(new ArrayBuffer(64));
    stat.setUint32(8, MODE);
    stat.setUint32(12, 1);
    stat.setBigUint64(28, BigInt(file.length));
    stat.setBigUint64(36, 512n);
    stat.setBigUint64(44, BigInt(Math.ceil(file.length / 512)));
    return `F40;${textOf(new Uint8Array(stat.buffer))}`;
  }

  #read([descriptor, count, offset]: readonly string[]): string {
    const file = this.#open.get(Number(number(descriptor) ?? -1n));
    if (file === undefined) return BAD_NUMBER;
    const from = Number(number(offset) ?? 0n);
    // Escapes may double what is sent.
    const bytes = file.subarray(from, from + Math.min(Number(number(count) ?? 0n), PACKET_LIMIT / 2 - 32));
    return `F${bytes.length.toString(16)};${textOf(bytes)}`;
  }
}
