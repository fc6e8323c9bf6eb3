/**
 * VMIDs, 8 or 16 bits, for any number of address spaces. Who gets none any more begins a new generation: every TLB entry goes, and
 * everybody takes a VMID anew when next he runs; who is in a guest at that moment keeps his. VMID 0 is never given out.
 */

/** Plain data. */
export interface Vmids {
  /** 8, or 16 with VTCR_EL2.VS set. */
  readonly bits: number;
  generation: number;
  /** Taken in this generation, one bit each. */
  readonly taken: Uint32Array;
  /** One for each vCPU that was in its guest: of which space it is in there now, and with which VMID. */
  readonly running: { readonly vcpu: number; id: number; vmid: number }[];
  /** Spaces that brought their VMID along from the last generation. */
  readonly kept: number[];
  nextId: number;
}

/** What an address space has; plain data. */
export interface Tag {
  /** Its own, for ever. */
  readonly id: number;
  /** When {@linkcode vmid} was good last; 0: never. */
  generation: number;
  vmid: number;
}

/** No space has this id: the vCPU isn't in its guest. */
const NOBODY = 0;

/** Nobody has one. */
export function newVmids(bits: 8 | 16 = 8): Vmids {
  const taken = new Uint32Array(2 ** bits / 32);
  taken[0] = 1;
  return { bits, generation: 1, taken, running: [], kept: [], nextId: 1 };
}

/** For a new space. */
export function newTag(vmids: Vmids): Tag {
  return { id: vmids.nextId++, generation: 0, vmid: 0 };
}

/** Makes a space's VMID good for now. `invalidateAll` is called when a generation ends. Throws a `RangeError` when all are running. */
export function renew(vmids: Vmids, tag: Tag, invalidateAll: () => void): void {
  if (isGood(vmids, tag)) return;
  let vmid = firstFree(vmids);
  if (vmid === undefined) {
    rollOver(vmids);
    invalidateAll();
    if (isGood(vmids, tag)) return;
    vmid = firstFree(vmids);
  }
  if (vmid === undefined) throw new RangeError(`all ${2 ** vmids.bits - 1} VMIDs belong to domains that run now`);
  vmids.taken[vmid >> 5] |= 1 << (vmid & 31);
  tag.generation = vmids.generation;
  tag.vmid = vmid;
}

/** The space is gone; none of its vCPUs is in the guest. */
export function giveBack(vmids: Vmids, tag: Tag): void {
  if (isGood(vmids, tag)) vmids.taken[tag.vmid >> 5] &= ~(1 << (tag.vmid & 31));
  const kept = vmids.kept.indexOf(tag.id);
  if (kept >= 0) vmids.kept.splice(kept, 1);
  for (const place of vmids.running) if (place.id === tag.id) place.id = NOBODY;
  tag.generation = tag.vmid = 0;
}

/** A vCPU of the space goes into its guest: until it is out the space's VMID stays what it is. `vcpu`: unique on the board. */
export function enter({ running }: Vmids, vcpu: number, { id, vmid }: Tag): void {
  for (const place of running) {
    if (place.vcpu !== vcpu) continue;
    place.id = id;
    place.vmid = vmid;
    return;
  }
  running.push({ vcpu, id, vmid });
}

/** It is out. */
export function leave({ running }: Vmids, vcpu: number): void {
  for (const place of running) if (place.vcpu === vcpu) place.id = NOBODY;
}

function isGood(vmids: Vmids, tag: Tag): boolean {
  if (tag.generation !== vmids.generation && vmids.kept.includes(tag.id)) tag.generation = vmids.generation;
  return tag.generation === vmids.generation;
}

function rollOver(vmids: Vmids): void {
  vmids.generation++;
  vmids.taken.fill(0);
  vmids.taken[0] = 1;
  vmids.kept.length = 0;
  for (const { id, vmid } of vmids.running) {
    if (id === NOBODY) continue;
    if (!vmids.kept.includes(id)) vmids.kept.push(id);
    vmids.taken[vmid >> 5] |= 1 << (vmid & 31);
  }
}

function firstFree({ taken }: Vmids): number | undefined {
  const word = taken.findIndex((bits) => bits !== 0xffff_ffff);
  if (word < 0) return undefined;
  const free = ~taken[word];
  return word * 32 + 31 - Math.clz32(free & -free);
}
