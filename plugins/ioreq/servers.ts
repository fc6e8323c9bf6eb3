/**
 * The ioreq servers of one domain, and who gets an access. The operations are shaped after `xendevicemodel_*` and refuse as those do, by
 * throwing an {@linkcode OperationError}.
 */
import type { Vcpu } from "../../core/mod.ts";
import { Buffering } from "./buffered.ts";
import { OperationError } from "./errors.ts";
import { RequestType, SLOTS } from "./layout.ts";
import type { Request } from "./layout.ts";
import { IoreqServer, ones, RangeType } from "./server.ts";
import type { Backend, Outcome, ServerPages } from "./server.ts";

/** Servers that a domain may have. */
export const SERVER_LIMIT = 8;

/** What the servers need of their domain. */
export interface ServedDomain {
  /** For messages. */
  readonly name: string;
  /** By index. */
  readonly vcpus: readonly Pick<Vcpu, "resumeAccess">[];
  /** Holds all its vCPUs. */
  pause(): void;
  /** Takes one `pause` back. */
  unpause(): void;
}

/** How a server is made. */
export interface ServerRequest {
  /** Who may operate it from now on. */
  readonly owner: string;
  /** One of {@linkcode Buffering}. */
  readonly buffering: number;
  /** What stands behind it. */
  readonly backend: Backend;
  /** Its pages: shared memory. */
  readonly pages: ServerPages;
  /** The event channels: one for each vCPU, and one for the ring. Numbers from 1 when absent. */
  readonly ports?: readonly number[];
  /** It gets what is nobody's. One for each domain. */
  readonly isDefault?: boolean;
}

/** What `get_ioreq_server_info` tells. */
export interface ServerInfo {
  /** The event channel of the ring; 0 without one. */
  readonly bufferedPort: number;
}

/** The servers. */
export class IoreqServers {
  readonly #servers = new Map<number, IoreqServer>();
  #default: IoreqServer | undefined;
  /** Servers that have yet to acknowledge that a page went, and the slot that they were told by. */
  readonly #invalidating = new Map<IoreqServer, number | undefined>();

  /** vCPUs whose server was destroyed under their request. */
  readonly #orphans = new Set<number>();
  /** Answers that were taken before their vCPU came for them. */
  readonly #kept = new Map<number, { readonly request: Request; readonly outcome: Outcome }>();

  /** None yet. */
  constructor(
    /** Whose accesses they get. */
    readonly domain: ServedDomain,
  ) {}

  /** Servers there are, by id. */
  get all(): readonly IoreqServer[] {
    return [...this.#servers.values()];
  }

  /** A new server, disabled, with the first id that is free. ENOSPC: there are eight. EINVAL: buffering that there isn't, or no page for it. */
  create({ owner, buffering, backend, pages, ports, isDefault }: ServerRequest): number {
    const { vcpus } = this.domain;
    if (!Object.values<number>(Buffering).includes(buffering)) throw new OperationError("EINVAL", `handle_bufioreq ${buffering}`);
    if (buffering !== Buffering.OFF && pages.buffered === undefined) throw new OperationError("EINVAL", "no page for the ring");
    if (vcpus.length > SLOTS) throw new OperationError("EINVAL", `a page has ${SLOTS} slots, the domain ${vcpus.length} vCPUs`);
    if (isDefault && this.#default !== undefined) throw new OperationError("EEXIST", "there is a default server");
    let id = 0;
    while (this.#servers.has(id)) id++;
    if (id >= SERVER_LIMIT) throw new OperationError("ENOSPC", `${SERVER_LIMIT} servers are all that a domain has`);
    const channels = ports ?? Array.from({ length: vcpus.length + 1 }, (_, n) => n + 1);
    const server: IoreqServer = new IoreqServer(id, owner, buffering, channels, {
      notify: (vcpu) => backend.notify(vcpu),
      holds: (vcpu) => backend.holds?.(vcpu) ?? false,
      lied: (why) => {
        backend.lied(why);
        this.release(server);
      },
    }, pages);
    this.#servers.set(id, server);
    if (isDefault) this.#default = server;
    return id;
  }

  /** The server, if `owner` may operate it. ENOENT: there is none. EPERM: it is another's. */
  get(owner: string, id: number): IoreqServer {
    const server = this.#servers.get(id);
    if (server === undefined) throw new OperationError("ENOENT", `there is no server ${id}`);
    if (server.owner !== owner) throw new OperationError("EPERM", `server ${id} is ${server.owner}'s`);
    return server;
  }

  /** EOPNOTSUPP unless `noGfns`: the pages have no frame numbers of the domain's own. */
  info(owner: string, id: number, noGfns: boolean): ServerInfo {
    const server = this.get(owner, id);
    if (!noGfns) throw new OperationError("EOPNOTSUPP", "the pages of a server are mapped as a resource");
    return { bufferedPort: server.buffering === Buffering.OFF ? 0 : server.ports[this.domain.vcpus.length] };
  }

  /** Asks for a range, ends inclusive. `buffered`: nobody waits for writes to it, where the ring has room and the public layout a place. */
  mapRange(owner: string, id: number, type: number, start: bigint, end: bigint, buffered = false): void {
    this.#ranges(owner, id, type).add(start, end, buffered);
  }

  /** Gives a range back, or a part of one. */
  unmapRange(owner: string, id: number, type: number, start: bigint, end: bigint): void {
    this.#ranges(owner, id, type).remove(start, end);
  }

  /** Enables or disables it. The domain stands still meanwhile. */
  setState(owner: string, id: number, enabled: boolean): void {
    const server = this.get(owner, id);
    if (server.enabled === enabled) return;
    if (enabled) server.announce();
    server.enabled = enabled;
  }

  /** The server goes. Who waits for it goes on, with all ones. */
  destroy(owner: string, id: number): void {
    const server = this.get(owner, id);
    this.#remove(server);
    for (const vcpu of server.waiting) this.domain.vcpus[vcpu]?.resumeAccess();
  }

  /** All of them: the domain goes. */
  close(): void {
    for (const server of this.all) this.#remove(server);
  }

  /** Who gets an access: of the enabled servers that have a range with all of it, the latest one. */
  select(type: number, at: number, size: number): { readonly server: IoreqServer; readonly buffered: boolean } | undefined {
    let found: { server: IoreqServer; buffered: boolean } | undefined;
    for (const server of this.#servers.values()) {
      if (!server.enabled || found !== undefined && found.server.id > server.id) continue;
      const range = server.ranges[type].find(at, size);
      if (range !== undefined) found = { server, buffered: range.buffered };
    }
    if (found !== undefined) return found;
    return this.#default?.enabled ? { server: this.#default, buffered: false } : undefined;
  }

  /** True when somebody would get an access there, or somebody waits whose server is gone. */
  holds(at: number): boolean {
    return this.#orphans.size > 0 || this.select(RangeType.MEMORY, at, 1) !== undefined;
  }

  /** An access of a vCPU. Called again after "later", when {@linkcode answered} has resumed the vCPU. `undefined`: it is nobody's. */
  access(vcpu: number, at: number, size: number, write: boolean, data: bigint): Outcome | undefined {
    const addr = BigInt(at);
    const isSame = (other: Request) => other.addr === addr && other.size === size && other.write === write;
    const kept = this.#kept.get(vcpu);
    this.#kept.delete(vcpu);
    if (kept !== undefined && isSame(kept.request)) return kept.outcome;
    for (const server of this.#servers.values()) {
      const waiting = server.pending(vcpu);
      if (waiting === undefined) continue;
      const outcome = server.collect(vcpu);
      if (waiting.type !== RequestType.COPY) {
        this.#acknowledged(server, outcome);
      } else if (isSame(waiting)) {
        return outcome;
      }
      // It was a request of before the vCPU was reset: its answer is awaited, and thrown away.
      if (outcome === "later") return outcome;
    }
    if (this.#orphans.delete(vcpu)) return ones(size);
    const found = this.select(RangeType.MEMORY, at, size);
    if (found === undefined) return undefined;
    const { server, buffered } = found;
    if (write && buffered && server.post(at, size, data)) return 0n;
    return server.send(vcpu, { addr, data: write ? data : 0n, size, write, type: RequestType.COPY });
  }

  /** Nobody answers for a server any more: who waits for it goes on, with bus errors. Nothing happens while it works. */
  release(server: IoreqServer): void {
    if (server.broken === undefined) return;
    this.#acknowledged(server, "bus_error");
    for (const vcpu of server.waiting) this.domain.vcpus[vcpu]?.resumeAccess();
  }

  /** A back-end says that it answered a vCPU: the vCPU looks. */
  answered(vcpu: number): void {
    for (const server of [...this.#invalidating.keys()]) this.#invalidate(server);
    this.domain.vcpus[vcpu]?.resumeAccess();
  }

  /** A page of the domain's RAM goes to somebody else: every enabled server is told, and the domain stands still until all have heard. */
  pageLeft(): void {
    for (const server of this.#servers.values()) {
      if (!server.enabled || server.broken !== undefined || this.#invalidating.has(server)) continue;
      this.#invalidating.set(server, undefined);
      this.domain.pause();
      this.#invalidate(server);
    }
  }

  /** One more step towards a server's acknowledgement. */
  #invalidate(server: IoreqServer): void {
    const slot = this.#invalidating.get(server);
    if (slot !== undefined) return this.#acknowledged(server, server.collect(slot));
    // By the slot of whoever has no request there; repeated until there is one.
    let free = this.domain.vcpus.findIndex((_, vcpu) => server.pending(vcpu) === undefined);
    if (free < 0) free = this.domain.vcpus.findIndex((_, vcpu) => this.#keep(server, vcpu));
    if (free < 0) return;
    this.#invalidating.set(server, free);
    const request = { addr: 0n, data: ones(8), size: 4, write: true, type: RequestType.INVALIDATE };
    this.#acknowledged(server, server.send(free, request));
  }

  /** Takes an answer out of its slot for a vCPU that can't come for it now. False while there is none. */
  #keep(server: IoreqServer, vcpu: number): boolean {
    const request = server.pending(vcpu)!;
    const outcome = server.collect(vcpu);
    if (outcome === "later") return false;
    this.#kept.set(vcpu, { request, outcome });
    return true;
  }

  #acknowledged(server: IoreqServer, outcome: Outcome): void {
    if (outcome === "later" || !this.#invalidating.delete(server)) return;
    this.domain.unpause();
  }

  #ranges(owner: string, id: number, type: number) {
    const { ranges } = this.get(owner, id);
    if (!(type in ranges)) throw new OperationError("EINVAL", `the range type ${type}`);
    return ranges[type];
  }

  #remove(server: IoreqServer): void {
    server.enabled = false;
    this.#servers.delete(server.id);
    if (this.#default === server) this.#default = undefined;
    for (const vcpu of server.waiting) if (server.pending(vcpu)?.type === RequestType.COPY) this.#orphans.add(vcpu);
    this.#acknowledged(server, 0n);
  }
}
