/**
 * Grant tables of a board: pages that domains lend to one another, counted in both directions.
 *
 * What can a hostile guest do here? Lend and take back its own pages as it likes: what was lent stays its owner's and stays alive while it
 * is mapped. Nothing crosses that the policy doesn't allow.
 * @module
 */
import { CpuEngine, definePlugin, MemoryBackend } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { DomainPolicy, isAllowed } from "../domain_policy/contract.ts";
import { EventChannels } from "../event_channels/contract.ts";
import { Grants, GrantTables, Physmap, SharedFrame } from "./contract.ts";
import { LiveGrants } from "./grants.ts";
import { GrantTable } from "./table.ts";
import type { ActiveGrant } from "./table.ts";

export { Grants, GrantTables } from "./contract.ts";

/** Options. */
export interface GrantTableOptions {
  readonly max_frames: number;
  readonly max_maps: number;
}

/** State, plain data. */
export interface GrantTableState {
  /** Grants in use, by entry. */
  readonly active: Map<number, ActiveGrant>;
}

/** The plugin. */
export const grantTables: Plugin<GrantTableOptions, GrantTableState> = definePlugin<GrantTableOptions, GrantTableState>({
  name: "grant_tables",
  doc: "Grant tables: pages that a domain lends to another, where the policy allows it.",
  options: {
    max_frames: { kind: "integer", default: 64, min: 1, max: 1024, doc: "Frames of a domain's table; 512 grants each." },
    max_maps: { kind: "integer", default: 8192, min: 0, max: 1_048_576, doc: "Granted pages that a domain may map at one time." },
  },
  needs: [CpuEngine, EventChannels, MemoryBackend],
  provides: [GrantTables, Grants],
  state: () => ({ active: new Map() }),
  setup({ provide, holds }) {
    const live = new Map<string, LiveGrants>();
    const tables: BoardGrants = { live, of: (domain) => live.get(domain) };
    holds("domains", () => live.size);
    provide(GrantTables, tables);
  },
  attach({ domain, options, state, memory, get, find, provide, onStop, trace }) {
    const { live } = find(GrantTables) as BoardGrants;
    const channels = get(EventChannels);
    const host = {
      memory,
      engine: get(CpuEngine),
      of: (name: string) => live.get(name),
      idOf: (name: string) => channels.idOf(name),
      allows: (subject: string, object: string, verb: "grant" | "foreign_map") =>
        isAllowed(find(DomainPolicy), { subject, object, verb, declared: false }, trace),
    };
    const physmap = new Physmap(domain, memory, get(MemoryBackend).directMapOnly);
    const makeFrame = () => new SharedFrame(host, physmap, `${domain.name} (grant table)`);
    const table = new GrantTable(domain, host, state.active, options.max_frames, makeFrame);
    const grants = new LiveGrants(domain, host, physmap, table, options.max_maps, find);
    live.set(domain.name, grants);
    onStop(() => {
      live.delete(domain.name);
      grants.release();
    });
    provide(Grants, grants);
  },
});

/** What `setup` makes and `attach` adds to. */
interface BoardGrants extends GrantTables {
  readonly live: Map<string, LiveGrants>;
}

export default grantTables;
