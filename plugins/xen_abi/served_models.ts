/**
 * Device models that a domain serves for others: the page of each ioreq server and its event channels, made with the server and gone with
 * it, or with either domain.
 *
 * What can a hostile emulator do here? It has the server's page, of which the server believes nothing, see the ioreq plugin; and a vCPU that
 * it never answers waits, which is its own domain's loss.
 */
import type { Mapping } from "../../core/mod.ts";
import { Errno, GuestPage } from "../event_channels/contract.ts";
import type { DomainChannels, HostChannel, PageHost } from "../event_channels/contract.ts";
import { EventPorts } from "../event_channels/contract.ts";
import type { DomainGrants } from "../grant_tables/contract.ts";
import { DeviceModels, OperationError } from "../ioreq/contract.ts";
import type { DeviceModelOperations, ServerPages } from "../ioreq/contract.ts";

const SHARED: Mapping = { read: true, write: true, execute: false, type: "normal-wb" };

interface Served {
  readonly target: string;
  id: number;
  readonly page: GuestPage;
  readonly channels: readonly HostChannel[];
  readonly forget: () => void;
  /** Takes the server from its domain. */
  readonly destroy: () => void;
}

/** Of one emulator. */
export class ServedModels {
  readonly #served = new Set<Served>();

  constructor(
    readonly owner: string,
    readonly host: PageHost,
    readonly grants: DomainGrants,
    readonly trace: (kind: string, detail: () => string) => void,
  ) {}

  /** Servers that it serves. */
  get count(): number {
    return this.#served.size;
  }

  /** The operations on another domain's servers; `undefined`: it has none, because nobody gave it any. */
  operations(target: DomainGrants): DeviceModelOperations | undefined {
    const models = target.find(DeviceModels), ports = target.find(EventPorts);
    if (models === undefined || ports === undefined) return undefined;
    let made: Served | undefined;
    const operations = models.operations(this.owner, () => {
      const served: Served = this.#make(target, ports, () => operations.destroyServer(served.id));
      made = served;
      return { backend: this.#backend(made), pages: this.#pagesOf(made), ports: made.channels.map(({ port }) => port) };
    });
    return {
      vcpus: operations.vcpus,
      createServer: (buffering) => {
        made = undefined;
        try {
          const id = operations.createServer(buffering);
          made!.id = id;
          return id;
        } catch (error) {
          if (made !== undefined) this.#free(made);
          throw error;
        }
      },
      destroyServer: (id) => {
        operations.destroyServer(id);
        const served = this.#find(target.domain.name, id);
        if (served !== undefined) this.#free(served);
      },
      serverInfo: operations.serverInfo,
      mapRange: operations.mapRange,
      unmapRange: operations.unmapRange,
      setServerState: operations.setServerState,
      setIrqLevel: operations.setIrqLevel,
    };
  }

  /** Puts a server's page into this domain. */
  mapPage(target: string, id: number, gfn: bigint): number {
    const served = this.#find(target, id);
    if (served === undefined) return Errno.ENOENT;
    const { memory } = this.host, { owner, pa } = served.page;
    memory.reference(owner, pa!);
    const placed = this.grants.physmap.place(gfn, pa!, SHARED, () => memory.release(owner, pa!));
    if (placed < 0) memory.release(owner, pa!);
    return placed;
  }

  /** The emulator goes: its servers with it, and who waits for them is answered. */
  release(): void {
    for (const served of [...this.#served]) {
      // The server first: it writes into the page.
      served.destroy();
      this.#free(served);
    }
  }

  #make(target: DomainGrants, ports: DomainChannels, destroy: () => void): Served {
    const { domain } = target;
    // In the emulator's name: nobody else may lend it.
    const page = this.#page(domain.name);
    const channels: HostChannel[] = [];
    for (const vcpu of [...domain.vcpus, undefined]) {
      const channel = ports.offer("device model", this.owner, () => vcpu?.resumeAccess());
      if (channel === undefined) {
        for (const open of channels) open.close();
        page.release();
        throw new OperationError("ENOSPC", "no event channel is free");
      }
      channels.push(channel);
    }
    const served: Served = {
      target: domain.name,
      id: -1,
      page,
      channels,
      forget: target.onRelease(() => this.#free(served)),
      destroy,
    };
    this.#served.add(served);
    return served;
  }

  #page(target: string): GuestPage {
    try {
      return GuestPage.allocate(this.host, `${this.owner} (device model of ${target})`);
    } catch {
      throw new OperationError("ENOSPC", "no frame is free");
    }
  }

  #backend(served: Served): { notify(vcpu: number | "ring"): void; lied(why: string): void } {
    return {
      notify: (vcpu) => served.channels.at(vcpu === "ring" ? -1 : vcpu)?.notify(),
      lied: (why) => this.trace("device model", () => `${this.owner}, for ${served.target}: ${why}`),
    };
  }

  #pagesOf({ page }: Served): ServerPages {
    const { buffer, byteOffset } = this.host.memory.view(page.pa!, 4096);
    return { buffer, sync: byteOffset };
  }

  #find(target: string, id: number): Served | undefined {
    for (const served of this.#served) if (served.target === target && served.id === id) return served;
    return undefined;
  }

  #free(served: Served): void {
    if (!this.#served.delete(served)) return;
    served.forget();
    for (const channel of served.channels) channel.close();
    served.page.release();
  }
}
