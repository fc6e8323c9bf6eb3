/**
 * Stolen time (Arm DEN 0057): tells each vCPU for how long it could have run and did not, in memory that the guest reads without a
 * trap. Its kernel takes that time off its processes' bills.
 *
 * What can a hostile guest do here? Read its own figures. Stage 2 maps them read-only; what it stores there aborts. Nothing that the
 * guest writes is ever read.
 * @module
 */
import { definePlugin, hex, MemoryBackend, PAGE_SIZE } from "../../core/mod.ts";
import type { DomainContext, Mapping, Plugin, SmcccCall, Vcpu } from "../../core/mod.ts";
import { Calls } from "../smccc/contract.ts";
import { PvTime, Status, Structure, STRUCTURE_SIZE } from "./functions.ts";

/** Options. */
export interface PvtimeOptions {
  readonly at: number;
}

const READ_ONLY: Mapping = { read: true, write: false, execute: false, type: "normal-wb" };

/** Whole pages for so many vCPUs. */
const sizeOf = (vcpus: number) => Math.ceil(vcpus * STRUCTURE_SIZE / PAGE_SIZE) * PAGE_SIZE;

/** The plugin. It has no state: the vCPUs' figures are core's, and the frames show them. */
export const pvtime: Plugin<PvtimeOptions, undefined> = definePlugin<PvtimeOptions, undefined>({
  name: "pvtime",
  doc: "Stolen time for the guest: how long each vCPU waited for a physical CPU.",
  options: {
    at: {
      kind: "address",
      default: 0x090a_0000,
      align: PAGE_SIZE,
      doc: "IPA of the figures, 64 bytes for each vCPU, in whole pages. With an MPU it must be RAM of the board that is no domain's.",
    },
  },
  needs: [Calls, MemoryBackend],
  resources: ({ at }, { domain }) => ({
    windows: [{ name: "stolen time", at, size: sizeOf(domain?.vcpus ?? 1), mapping: READ_ONLY }],
  }),
  attach,
});

function attach(context: DomainContext<PvtimeOptions, undefined>): void {
  const { options: { at }, domain, memory, exceptions, get, onRun, onStop } = context;
  const size = sizeOf(domain.vcpus.length);
  const owner = `${domain.name} (pvtime)`;
  const pa = takeFrames(context, owner, size);
  onStop(() => memory.release(owner, pa, size));
  domain.space.map(at, pa, size, READ_ONLY);
  onStop(() => domain.space.unmap(at, size));

  const bytes = memory.view(pa, size);
  const figures = new DataView(bytes.buffer, bytes.byteOffset, size);
  onRun({
    entry(vcpu) {
      const stolen = Math.floor(vcpu.stolenNs);
      const place = vcpu.index * STRUCTURE_SIZE + Structure.STOLEN_TIME;
      figures.setUint32(place, stolen % 2 ** 32, true);
      figures.setUint32(place + 4, Math.floor(stolen / 2 ** 32), true);
    },
  });

  get(Calls).extend({
    exceptions,
    from: PvTime.FEATURES,
    to: PvTime.ST,
    handler: (call) => answer(call, (vcpu) => BigInt(at + vcpu.index * STRUCTURE_SIZE)),
  });
}

/** Frames for the figures. An MPU translates nothing: there they must be those at the address itself. */
function takeFrames({ options: { at }, memory, get, fail }: DomainContext<PvtimeOptions, undefined>, owner: string, size: number): number {
  if (!get(MemoryBackend).directMapOnly) {
    const order = Math.ceil(Math.log2(size / PAGE_SIZE));
    const pa = memory.allocate(owner, order);
    const unused = PAGE_SIZE * 2 ** order - size;
    if (unused > 0) memory.release(owner, pa + size, unused);
    return pa;
  }
  if (!memory.isRam(at, size)) fail("at", `${hex(at)} isn't RAM of the board: where addresses aren't translated it must be`);
  memory.allocateAt(owner, at, size);
  return at;
}

function answer({ functionId, args, vcpu }: SmcccCall, structureOf: (vcpu: Vcpu) => bigint): bigint {
  if (functionId === PvTime.ST) return structureOf(vcpu);
  const asked = Number(BigInt.asUintN(32, args[0]));
  return asked === PvTime.FEATURES || asked === PvTime.ST ? Status.SUCCESS : Status.NOT_SUPPORTED;
}

export default pvtime;
