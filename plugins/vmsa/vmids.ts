/** VMIDs: 8 bits (VTCR_EL2.VS clear), 0 never given out, one bit each in plain state. */

/** VMIDs of 8 bits. */
const COUNT = 256;

/** A bitmap with VMID 0 taken. */
export function newVmids(): Uint32Array {
  const bitmap = new Uint32Array(COUNT / 32);
  bitmap[0] = 1;
  return bitmap;
}

/** Takes the smallest free VMID. Throws when all 255 are in use. */
export function takeVmid(bitmap: Uint32Array, domainName: string): number {
  for (let vmid = 1; vmid < COUNT; vmid++) {
    if ((bitmap[vmid >> 5] & (1 << (vmid & 31))) !== 0) continue;
    bitmap[vmid >> 5] |= 1 << (vmid & 31);
    return vmid;
  }
  throw new RangeError(`no VMID is free for domain ${domainName}: ${COUNT - 1} address spaces exist`);
}

/** Gives one back. */
export function giveVmid(bitmap: Uint32Array, vmid: number): void {
  bitmap[vmid >> 5] &= ~(1 << (vmid & 31));
}
