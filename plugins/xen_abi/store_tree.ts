/**
 * The nodes of one domain's xenstore: docs/misc/xenstore.txt of Xen, "Nodes". Every domain has a tree of its own and sees no other.
 *
 * What can a hostile guest do here? Fill its tree: nodes, values and open transactions have limits.
 */

/** A refusal, by the name that goes over the ring. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  constructor(readonly code: "EINVAL" | "EACCES" | "ENOENT" | "ENOSPC" | "E2BIG" | "EAGAIN" | "ENOSYS" | "EEXIST") {
    super(code);
  }
}

/** Plain data. */
export interface StoreState {
  /** Values by absolute path; characters are bytes. */
  nodes: Map<string, string>;
  readonly transactions: Map<number, { readonly nodes: Map<string, string>; readonly generation: number; readonly changed: string[] }>;
  readonly watches: { readonly path: string; readonly given: string; readonly token: string }[];
  generation: number;
  nextTransaction: number;
}

const MOST_NODES = 1000, MOST_TRANSACTIONS = 10, MOST_WATCHES = 128;
const LONGEST_PATH = 3072, LONGEST_VALUE = 2048;

/** An empty tree. */
export function storeState(): StoreState {
  return { nodes: new Map(), transactions: new Map(), watches: [], generation: 0, nextTransaction: 1 };
}

/** The tree. Everything throws a {@linkcode StoreError} and nothing else. */
export class StoreTree {
  /** `home`: where relative paths begin, and all that the domain may see. `fire`: a watch has something to tell. */
  constructor(readonly state: StoreState, readonly home: string, readonly fire: (path: string, token: string) => void) {}

  read(path: string, transaction: number): string {
    const value = this.#nodes(transaction).get(this.#absolute(path));
    if (value === undefined) throw new StoreError("ENOENT");
    return value;
  }

  directory(path: string, transaction: number): string[] {
    const nodes = this.#nodes(transaction), at = this.#absolute(path);
    if (!nodes.has(at)) throw new StoreError("ENOENT");
    const names = new Set<string>();
    for (const node of nodes.keys()) if (node.startsWith(`${at}/`)) names.add(node.slice(at.length + 1).split("/")[0]);
    return [...names];
  }

  /** `value` absent: the node is to be there. */
  write(path: string, value: string | undefined, transaction: number): void {
    const nodes = this.#nodes(transaction), at = this.#absolute(path);
    if (value !== undefined && value.length > LONGEST_VALUE) throw new StoreError("ENOSPC");
    if (value === undefined && nodes.has(at)) return;
    const missing: string[] = [];
    for (let node = at; node.length > this.home.length && !nodes.has(node); node = node.slice(0, node.lastIndexOf("/"))) missing.push(node);
    if (nodes.size + missing.length > MOST_NODES) throw new StoreError("ENOSPC");
    for (const node of missing) nodes.set(node, "");
    nodes.set(at, value ?? "");
    this.#changed(at, transaction);
  }

  remove(path: string, transaction: number): void {
    const nodes = this.#nodes(transaction), at = this.#absolute(path);
    if (at === this.home) throw new StoreError("EINVAL");
    if (!nodes.has(at)) throw new StoreError("ENOENT");
    for (const node of [...nodes.keys()]) if (node === at || node.startsWith(`${at}/`)) nodes.delete(node);
    this.#changed(at, transaction);
  }

  start(): number {
    const { state } = this;
    if (state.transactions.size >= MOST_TRANSACTIONS) throw new StoreError("ENOSPC");
    const id = state.nextTransaction;
    state.nextTransaction = id % 0x7fff_ffff + 1;
    state.transactions.set(id, { nodes: new Map(state.nodes), generation: state.generation, changed: [] });
    return id;
  }

  end(id: number, commit: boolean): void {
    const { state } = this;
    const transaction = state.transactions.get(id);
    if (transaction === undefined) throw new StoreError("ENOENT");
    state.transactions.delete(id);
    if (!commit) return;
    if (transaction.generation !== state.generation && transaction.changed.length > 0) throw new StoreError("EAGAIN");
    if (transaction.changed.length === 0) return;
    state.nodes = transaction.nodes;
    for (const path of transaction.changed) this.#changed(path, 0);
  }

  watch(given: string, token: string): void {
    const { watches } = this.state;
    const path = given.startsWith("@") ? given : this.#absolute(given);
    if (watches.some((watch) => watch.given === given && watch.token === token)) throw new StoreError("EEXIST");
    if (watches.length >= MOST_WATCHES) throw new StoreError("E2BIG");
    watches.push({ path, given, token });
    this.fire(given, token);
  }

  unwatch(given: string, token: string): void {
    const { watches } = this.state;
    const index = watches.findIndex((watch) => watch.given === given && watch.token === token);
    if (index < 0) throw new StoreError("ENOENT");
    watches.splice(index, 1);
  }

  resetWatches(): void {
    this.state.watches.length = 0;
    this.state.transactions.clear();
  }

  #nodes(transaction: number): Map<string, string> {
    if (transaction === 0) return this.state.nodes;
    const nodes = this.state.transactions.get(transaction)?.nodes;
    if (nodes === undefined) throw new StoreError("ENOENT");
    return nodes;
  }

  /** Another domain's nodes aren't there: there is nothing to learn of them. */
  #absolute(path: string): string {
    if (path.length > LONGEST_PATH || !/^[-/@\w]+$/.test(path) || path.includes("//") || (path.length > 1 && path.endsWith("/"))) {
      throw new StoreError("EINVAL");
    }
    const absolute = path.startsWith("/") ? path : `${this.home}/${path}`;
    if (absolute !== this.home && !absolute.startsWith(`${this.home}/`)) throw new StoreError("EACCES");
    return absolute;
  }

  #changed(path: string, transaction: number): void {
    if (transaction !== 0) {
      this.state.transactions.get(transaction)!.changed.push(path);
      return;
    }
    this.state.generation++;
    for (const { path: watched, given, token } of this.state.watches) {
      if (path === watched || path.startsWith(`${watched}/`)) {
        // A watch with a relative path is told relative paths.
        this.fire(given.startsWith("/") ? path : path.slice(this.home.length + 1), token);
      } else if (watched.startsWith(`${path}/`)) {
        this.fire(given, token);
      }
    }
  }
}
