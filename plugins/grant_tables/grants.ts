/**
 * What a domain does with grants, its own and others'.
 *
 * What can a hostile guest do here? Map what was granted to it, as often as it has handles. Every mapping holds a reference to its frame
 * and a use of its grant, and gives both back when it leaves, however it leaves; a frame whose owner is gone stays until then.
 */
import { PAGE_SIZE } from "../../core/mod.ts";
import type { Capability, Domain, Mapping } from "../../core/mod.ts";
import { Errno } from "../event_channels/contract.ts";
import type { PageHost } from "../event_channels/contract.ts";
import { GrantStatus } from "./contract.ts";
import type { CopyEnd, DomainGrants, GrantMapping, Physmap, SharedFrame } from "./contract.ts";
import type { GrantTable } from "./table.ts";

/** What a domain's grants need of the others. */
export interface GrantsHost extends PageHost {
  of(domain: string): LiveGrants | undefined;
  /** The policy's word. */
  allows(subject: string, object: string, verb: "grant" | "foreign_map"): boolean;
  /** A domain's number. */
  idOf(domain: string): number;
}

interface Mapped {
  readonly table: GrantTable;
  readonly reference: number;
  readonly gfn: bigint;
}

const mappingOf = (readOnly: boolean): Mapping => ({ read: true, write: !readOnly, execute: false, type: "normal-wb" });

/** {@linkcode DomainGrants}. */
export class LiveGrants implements DomainGrants {
  readonly #maps = new Map<number, Mapped>();
  readonly #hooks = new Set<() => void>();
  isLive = true;

  constructor(
    readonly domain: Domain,
    readonly host: GrantsHost,
    readonly physmap: Physmap,
    readonly table: GrantTable,
    readonly maxMaps: number,
    readonly find: <T>(key: Capability<T>) => T | undefined = () => undefined,
  ) {}

  onRelease(hook: () => void): () => void {
    this.#hooks.add(hook);
    return () => void this.#hooks.delete(hook);
  }

  get size(): number {
    return this.table.frames.length;
  }

  get maxSize(): number {
    return this.table.maxFrames;
  }

  get counts(): { readonly active: number; readonly maps: number } {
    return { active: this.table.active.size, maps: this.#maps.size };
  }

  frame(index: number): SharedFrame | undefined {
    return this.table.frame(index);
  }

  map({ owner, reference, gfn, readOnly }: GrantMapping): { readonly status: number; readonly handle: number } {
    const fail = (status: number) => ({ status, handle: 0 });
    const lender = this.#peer(owner);
    if (lender === undefined) return fail(GrantStatus.bad_domain);
    if (!this.host.allows(this.domain.name, owner, "grant")) return fail(GrantStatus.permission_denied);
    const handle = this.#freeHandle();
    if (handle === undefined) return fail(GrantStatus.no_device_space);
    const { table } = lender;
    const pinned = table.pin(reference, this.host.idOf(this.domain.name), readOnly);
    if (pinned.pa === undefined) return fail(pinned.status);
    const { pa } = pinned;
    const undo = () => {
      table.unpin(reference, readOnly);
      this.host.memory.release(owner, pa);
    };
    this.#maps.set(handle, { table, reference, gfn });
    const placed = this.physmap.place(gfn, pa, mappingOf(readOnly), () => {
      this.#maps.delete(handle);
      undo();
    });
    if (placed === 0) return { status: GrantStatus.okay, handle };
    this.#maps.delete(handle);
    undo();
    return fail(GrantStatus.bad_virt_addr);
  }

  unmap(handle: number, gfn: bigint): number {
    const mapped = this.#maps.get(handle);
    if (mapped === undefined) return GrantStatus.bad_handle;
    if (mapped.gfn !== gfn) return GrantStatus.bad_virt_addr;
    return this.physmap.remove(gfn) === 0 ? GrantStatus.okay : GrantStatus.general_error;
  }

  copy(source: CopyEnd, target: CopyEnd, length: number): number {
    if (length > PAGE_SIZE || source.offset + length > PAGE_SIZE || target.offset + length > PAGE_SIZE) return GrantStatus.bad_copy_arg;
    const from = this.#end(source, true);
    if (from.status !== 0) return from.status;
    const to = this.#end(target, false);
    if (to.status === 0) {
      const { memory, engine } = this.host;
      const bytes = memory.view(from.pa! + source.offset, length).slice();
      memory.view(to.pa! + target.offset, length).set(bytes);
      engine.memoryWritten(to.pa! + target.offset, length);
      to.done!();
    }
    from.done!();
    return to.status;
  }

  mapForeign(owner: string, foreignGfn: bigint, gfn: bigint): number {
    const peer = this.#peer(owner);
    if (peer === undefined) return Errno.ESRCH;
    if (!this.host.allows(this.domain.name, owner, "foreign_map")) return Errno.EPERM;
    if (foreignGfn < 0n || foreignGfn >= 1n << 36n) return Errno.EINVAL;
    const { memory } = this.host;
    const found = peer.domain.space.lookup(Number(foreignGfn) * PAGE_SIZE);
    if (found === undefined || !memory.isRam(found.pa, PAGE_SIZE) || memory.ownerOf(found.pa)?.owner !== owner) return Errno.EINVAL;
    memory.reference(owner, found.pa);
    const { pa } = found;
    const placed = this.physmap.place(gfn, pa, mappingOf(!found.mapping.write), () => memory.release(owner, pa));
    if (placed !== 0) memory.release(owner, pa);
    return placed;
  }

  /** The domain goes: first what it maps, then its table. Uses of its own grants by others stay counted in a table that is nobody's. */
  release(): void {
    this.isLive = false;
    for (const hook of [...this.#hooks]) hook();
    this.#hooks.clear();
    this.physmap.release();
    this.table.release();
  }

  /** A domain that lives and hasn't ended: nothing new of one that goes. */
  #peer(name: string): LiveGrants | undefined {
    const peer = this.host.of(name);
    return peer?.isLive && peer.domain.outcome === undefined ? peer : undefined;
  }

  #freeHandle(): number | undefined {
    for (let handle = 0; handle < this.maxMaps; handle++) if (!this.#maps.has(handle)) return handle;
    return undefined;
  }

  /** One end of a copy, held until `done`. */
  #end(end: CopyEnd, readOnly: boolean): { readonly status: number; readonly pa?: number; readonly done?: () => void } {
    const { memory } = this.host;
    if ("gfn" in end) {
      const found = end.gfn < 1n << 36n ? this.domain.space.lookup(Number(end.gfn) * PAGE_SIZE) : undefined;
      const isOwn = found !== undefined && memory.isRam(found.pa, PAGE_SIZE) && memory.ownerOf(found.pa)?.owner === this.domain.name;
      if (!isOwn || (!readOnly && !found.mapping.write)) return { status: GrantStatus.bad_page };
      return { status: 0, pa: found.pa, done: () => {} };
    }
    const lender = this.#peer(end.owner);
    if (lender === undefined) return { status: GrantStatus.bad_domain };
    if (!this.host.allows(this.domain.name, end.owner, "grant")) return { status: GrantStatus.permission_denied };
    const pinned = lender.table.pin(end.reference, this.host.idOf(this.domain.name), readOnly);
    if (pinned.pa === undefined) return { status: pinned.status };
    return {
      ...pinned,
      done() {
        lender.table.unpin(end.reference, readOnly);
        memory.release(end.owner, pinned.pa);
      },
    };
  }
}
