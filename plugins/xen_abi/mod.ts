/**
 * Xen's guest interface on Arm: a kernel with Xen's front ends finds hypercalls, event channels, grant tables and its console.
 *
 * What can a hostile guest do here? Call anything with any argument, and scribble on every page that it shares with the hypervisor. Results
 * are those of Xen's public headers; structures are copied once and checked; work that one call asks for is cut into pieces between which
 * the guest's time passes; what it has of others goes by the policy.
 * @module
 */
import { CpuEngine, definePlugin, Interrupts, MemoryBackend, PAGE_SIZE, Serial, SnapshotError } from "../../core/mod.ts";
import type { DomainContext, Plugin } from "../../core/mod.ts";
import { DomainPolicy, isAllowed } from "../domain_policy/contract.ts";
import type { CrossVerb } from "../domain_policy/contract.ts";
import { EventChannels, EventPorts } from "../event_channels/contract.ts";
import type { GuestPage, HostChannel } from "../event_channels/contract.ts";
import { Grants, GrantTables, SharedFrame } from "../grant_tables/contract.ts";
import { DeviceMemory } from "../mmio_sram/contract.ts";
import { PmsaDomains } from "../pmsa/contract.ts";
import { Arguments } from "./arguments.ts";
import { ConsoleRing } from "./console_ring.ts";
import { hypercall } from "./hypercalls.ts";
import { hypervisorNode } from "./node.ts";
import { HVM_PARAMS, HvmParam, HYPERCALL_IMMEDIATE } from "./numbers.ts";
import { Polls } from "./polls.ts";
import { Runstates } from "./runstate.ts";
import { ServedModels } from "./served_models.ts";
import { SharedInfo } from "./shared_info.ts";
import { StoreRing } from "./store_ring.ts";
import { storeState } from "./store_tree.ts";
import type { XenDomain, XenState } from "./xen_domain.ts";

/** Options. */
export interface XenAbiOptions {
  readonly version: string;
  readonly grant_table: number;
  readonly grant_table_size: number;
  readonly magic: number;
  readonly interrupt: number;
  readonly xenstore: boolean;
  readonly port?: string;
}

/** The plugin. */
export const xenAbi: Plugin<XenAbiOptions, XenState> = definePlugin<XenAbiOptions, XenState>({
  name: "xen_abi",
  doc: "Xen's guest interface: hypercalls, event channels, grant tables and the Xen console, with the node by which Linux finds them.",
  options: {
    version: {
      kind: "text",
      default: "4.17",
      check: (value) => /^[1-9]\d?\.\d{1,3}$/.test(value as string) ? undefined : "two numbers, as in 4.17",
      doc: "Version of Xen that it shows.",
    },
    grant_table: {
      kind: "address",
      default: 0x3800_0000,
      align: PAGE_SIZE,
      doc: "IPA where the guest may put its grant table: unused addresses.",
    },
    grant_table_size: { kind: "size", default: 0x0100_0000, min: PAGE_SIZE, align: PAGE_SIZE, doc: "Bytes of them." },
    magic: {
      kind: "address",
      default: 0x3900_0000,
      align: PAGE_SIZE,
      doc: "IPA of the rings of console and xenstore, two pages. With an MPU they must be the guest's own RAM.",
    },
    interrupt: { kind: "interrupt", default: 31, min: 16, max: 31, doc: "PPI that says that there are events." },
    xenstore: { kind: "boolean", default: true, doc: "A xenstore with a tree of the domain's own. Without one, front ends find none." },
    port: { kind: "text", optional: true, doc: "Serial port of the Xen console; the domain's name with `-xen` when absent." },
  },
  needs: [CpuEngine, EventChannels, EventPorts, Grants, Interrupts, MemoryBackend, Serial],
  resources(options, { board, domain }) {
    if (domain === undefined) return {};
    // Where addresses aren't translated, all of it is in pages of the guest's own RAM.
    const isDirect = board.plugins.some(({ plugin }) => plugin.provides?.some(({ name }) => name === PmsaDomains.name));
    const shared = { read: true, write: true, execute: false, type: "normal-wb" } as const;
    return {
      windows: isDirect ? [] : [
        { name: "grant table", at: options.grant_table, size: options.grant_table_size },
        { name: "rings", at: options.magic, size: 2 * PAGE_SIZE, mapping: shared },
      ],
      interrupts: [{ name: "events", intid: options.interrupt, trigger: "level" }],
      serialPorts: domain === undefined ? [] : [portOf(options, domain)],
      deviceTree: [hypervisorNode(options)],
    };
  },
  state: () => ({ params: new BigUint64Array(HVM_PARAMS), input: [], store: storeState() }),
  attach,
});

type Context = DomainContext<XenAbiOptions, XenState>;

/** The serial port of the domain's console ring. */
const portOf = ({ port }: XenAbiOptions, { name }: { readonly name: string }): string => port ?? `${name}-xen`;

function attach(context: Context): void {
  const { domain, options, state, memory, clock, host, exceptions, get, find, trace, onRun, onSnapshot, onStop } = context;
  const engine = get(CpuEngine), ports = get(EventPorts), grants = get(Grants), channels = get(EventChannels), interrupts = get(Interrupts);
  const pages = { memory, engine };
  const serial = get(Serial).open(portOf(options, domain));
  const print = (bytes: Uint8Array) => bytes.forEach((byte) => serial.write(byte));

  // Each step registers its undoing: the next one may find no memory.
  const frame = new SharedFrame(pages, grants.physmap, `${domain.name} (xen)`);
  onStop(() => frame.release());
  const polls = new Polls(domain.vcpus, clock, (vcpu) => shared.wake(vcpu));
  const lines = domain.vcpus.map(({ index }) => interrupts.ppi(index, options.interrupt));
  const shared: SharedInfo = new SharedInfo(domain, pages, frame, ports, lines, (delivery) => polls.watch(delivery));
  onStop(() => {
    // Nothing is delivered to pages that go.
    ports.deliverBy();
    shared.release();
  });
  shared.setWallClock(BigInt(Math.floor(host.bootTimeSeconds * 1e9 + clock.nowNs)));
  const runstates = new Runstates();
  const ring = openConsole(context, print);
  if (options.xenstore) openStore(context);
  serial.onInput((byte) => ring.input(byte));

  const allows = (object: string, verb: CrossVerb) =>
    isAllowed(find(DomainPolicy), { subject: domain.name, object, verb, declared: false }, trace);
  const models = new ServedModels(domain.name, pages, grants, trace);
  const [major, minor] = options.version.split(".").map(Number);
  const xen: XenDomain = {
    domain,
    memory,
    engine,
    clock,
    args: new Arguments(domain, memory, engine),
    channels,
    ports,
    grants,
    deviceMemory: find(DeviceMemory),
    shared,
    runstates,
    polls,
    state,
    version: { major, minor, extra: ".0-plugboard" },
    print,
    peer: (name) => find(GrantTables)?.of(name),
    allows,
    models,
    nameOf: (domid) => channels.nameOf(domid),
    trace,
  };
  exceptions.claimImmediate(HYPERCALL_IMMEDIATE, ({ vcpu }) => hypercall(xen, vcpu));
  onRun({
    entry(vcpu) {
      polls.runs(vcpu);
      runstates.update(vcpu);
    },
    exit: (vcpu) => shared.sample(vcpu.index),
  });
  onSnapshot({
    save() {
      if (!shared.isUsed && runstates.count + polls.count + models.count === 0) return;
      throw new SnapshotError(`${domain.name} shares pages with the hypervisor by Xen's interface: where they are can't be kept yet`);
    },
  });
  onStop(() => {
    models.release();
    // Nothing is mapped that is free.
    grants.physmap.release();
    runstates.release();
  });
}

/** A page of a ring at its place, and its port. */
function openRing(
  context: Context,
  what: string,
  index: number,
  sent: () => void,
): { readonly page: GuestPage; readonly channel: HostChannel } {
  const { domain, options, memory, get, fail, onStop } = context;
  const frame = new SharedFrame({ memory, engine: get(CpuEngine) }, get(Grants).physmap, `${domain.name} (xen)`);
  onStop(() => frame.release());
  if (frame.placeAt(BigInt(options.magic / PAGE_SIZE + index)) < 0) fail("magic", `the page of the ${what} can't be there`);
  const channel = get(EventPorts).open(what, 0, sent);
  if (channel === undefined) return fail("magic", `no event channel is free for the ${what}`);
  return { page: frame.page, channel };
}

function openConsole(context: Context, print: (bytes: Uint8Array) => void): ConsoleRing {
  const { options, state } = context;
  const { page, channel } = openRing(context, "console", 0, () => ring.look());
  const ring: ConsoleRing = new ConsoleRing(page, state.input, print, () => channel.notify());
  state.params[HvmParam.console_pfn] = BigInt(options.magic / PAGE_SIZE);
  state.params[HvmParam.console_evtchn] = BigInt(channel.port);
  return ring;
}

function openStore(context: Context): void {
  const { domain, options, state, get } = context;
  const { page, channel } = openRing(context, "xenstore", 1, () => ring.look());
  const ring: StoreRing = new StoreRing(page, state.store, get(EventPorts).id, () => channel.notify());
  const home = ring.tree.home;
  const nodes = {
    name: domain.name,
    domid: String(get(EventPorts).id),
    "control/platform-feature-xs_reset_watches": "1",
    "memory/target": String(domain.ram.reduce((sum, { size }) => sum + size, 0) / 1024),
    device: "",
    ...Object.fromEntries(domain.vcpus.map(({ index }) => [`cpu/${index}/availability`, "online"])),
  };
  state.store.nodes.set(home, "");
  for (const [name, value] of Object.entries(nodes)) ring.tree.write(name, value, 0);
  state.params[HvmParam.store_pfn] = BigInt(options.magic / PAGE_SIZE + 1);
  state.params[HvmParam.store_evtchn] = BigInt(channel.port);
}

export default xenAbi;
