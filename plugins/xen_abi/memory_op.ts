/** XENMEM_*: what is where in the guest's physical address space. Xen's public header memory.h. */
import type { Vcpu } from "../../core/mod.ts";
import { Errno } from "../event_channels/contract.ts";
import { attributeCodes } from "../mmio_sram/contract.ts";
import { MapSpace, MemoryOp } from "./numbers.ts";
import { isSelf, low32 } from "./xen_domain.ts";
import type { Handler, Result, XenDomain } from "./xen_domain.ts";

/** Frames, or entries, of one call before the guest gets a look at its interrupts. */
const BATCH = 64;
/** XENMAPIDX_grant_table_status: only tables of version 2 have status frames. */
const STATUS_FRAME = 1n << 31n;
const E820_RAM = 1;

/** HYPERVISOR_memory_op(cmd, arg). The upper bits of `cmd` say how much of it is done. */
export const memoryOp: Handler = (xen, vcpu, [cmd, arg]) => {
  const command = low32(cmd) % 64, done = Math.floor(low32(cmd) / 64);
  switch (command) {
    case MemoryOp.add_to_physmap: {
      const view = xen.args.read(vcpu, arg, 24);
      if (view === undefined) return Errno.EFAULT;
      if (!isSelf(xen, view.getUint16(0, true))) return Errno.EPERM;
      return addToPhysmap(xen, view.getUint32(4, true), view.getBigUint64(8, true), view.getBigUint64(16, true), 0);
    }
    case MemoryOp.add_to_physmap_batch:
      return batch(xen, vcpu, arg, done);
    case MemoryOp.remove_from_physmap: {
      const view = xen.args.read(vcpu, arg, 16);
      if (view === undefined) return Errno.EFAULT;
      return isSelf(xen, view.getUint16(0, true)) ? xen.grants.physmap.remove(view.getBigUint64(8, true)) : Errno.EPERM;
    }
    case MemoryOp.increase_reservation:
    case MemoryOp.decrease_reservation:
    case MemoryOp.populate_physmap:
      return reservation(xen, vcpu, command, arg, done);
    case MemoryOp.current_reservation:
    case MemoryOp.maximum_reservation: {
      const view = xen.args.read(vcpu, arg, 2);
      if (view === undefined) return Errno.EFAULT;
      return isSelf(xen, view.getUint16(0, true)) ? xen.domain.ram.reduce((sum, { size }) => sum + size / 4096, 0) : Errno.EPERM;
    }
    case MemoryOp.maximum_gpfn: {
      const view = xen.args.read(vcpu, arg, 2);
      if (view === undefined) return Errno.EFAULT;
      return isSelf(xen, view.getUint16(0, true)) ? Math.max(...xen.domain.ram.map(({ at, size }) => (at + size) / 4096 - 1)) : Errno.EPERM;
    }
    case MemoryOp.acquire_resource:
      return acquireResource(xen, vcpu, arg);
    case MemoryOp.memory_map:
      return memoryMap(xen, vcpu, arg);
    default:
      return Errno.ENOSYS;
  }
};

/** `attribute`: of dev_mmio alone. */
function addToPhysmap(xen: XenDomain, space: number, index: bigint, gfn: bigint, attribute: number): number {
  switch (space) {
    case MapSpace.shared_info:
      return index === 0n ? xen.shared.frame.placeAt(gfn) : Errno.EINVAL;
    case MapSpace.grant_table: {
      if ((index & STATUS_FRAME) !== 0n || index >= BigInt(xen.grants.maxSize)) return Errno.EINVAL;
      return xen.grants.frame(Number(index))?.placeAt(gfn) ?? Errno.ENOMEM;
    }
    case MapSpace.dev_mmio: {
      if (attribute >= attributeCodes.length) return Errno.EOPNOTSUPP;
      if (index >= 1n << 36n || gfn >= 1n << 36n) return Errno.EINVAL;
      return xen.deviceMemory?.mapDeviceMmio(xen.domain, Number(index), Number(gfn), attribute) ?? Errno.EPERM;
    }
    default:
      return Errno.ENOSYS;
  }
}

/** Each of the entries succeeds or fails by itself; that an error can't be told is the call's. */
function batch(xen: XenDomain, vcpu: Vcpu, arg: bigint, done: number): Result {
  const view = xen.args.read(vcpu, arg, 32);
  if (view === undefined) return Errno.EFAULT;
  if (!isSelf(xen, view.getUint16(0, true))) return Errno.EPERM;
  const space = view.getUint16(2, true), size = view.getUint16(4, true), extra = view.getUint16(6, true);
  const [indices, gfns, errors] = [8, 16, 24].map((at) => view.getBigUint64(at, true));
  const isForeign = space === MapSpace.gmfn_foreign;
  const owner = isForeign ? xen.nameOf(extra) : undefined;
  if (isForeign && owner === undefined) return Errno.ESRCH;
  // Every other space but dev_mmio has nothing to say here: Xen's public header memory.h, "res0 MUST be 0".
  if (!isForeign && space !== MapSpace.dev_mmio && extra !== 0) return Errno.EOPNOTSUPP;
  for (let n = done; n < size; n++) {
    if (n === done + BATCH) return { again: [BigInt(MemoryOp.add_to_physmap_batch + 64 * n), arg] };
    const index = xen.args.read(vcpu, indices + 8n * BigInt(n), 8)?.getBigUint64(0, true);
    const gfn = xen.args.read(vcpu, gfns + 8n * BigInt(n), 8)?.getBigUint64(0, true);
    if (index === undefined || gfn === undefined) return Errno.EFAULT;
    const result = owner === undefined ? addToPhysmap(xen, space, index, gfn, extra) : xen.grants.mapForeign(owner, index, gfn);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, result, true);
    if (!xen.args.write(vcpu, errors + 4n * BigInt(n), bytes)) return Errno.EFAULT;
  }
  return 0;
}

/**
 * RAM out of the address space and back in. The frames stay the domain's: nobody else gets them, and they come back zeroed, each where it
 * was. Returns how many extents are done, which is less than asked when one fails.
 */
function reservation(xen: XenDomain, vcpu: Vcpu, command: number, arg: bigint, done: number): Result {
  const view = xen.args.read(vcpu, arg, 32);
  if (view === undefined) return done;
  if (!isSelf(xen, view.getUint16(24, true))) return done;
  const extents = view.getBigUint64(0, true), count = view.getBigUint64(8, true), order = view.getUint32(16, true);
  // What is larger comes in pieces: the guest learns it from the count.
  if (order > 9) return done;
  const { physmap } = xen.grants;
  for (let n = done; BigInt(n) < count; n++) {
    if (n >= 0x3ff_ffff) return n;
    if (n === done + Math.max(1, BATCH >> order)) return { again: [BigInt(command + 64 * n), arg] };
    const first = xen.args.read(vcpu, extents + 8n * BigInt(n), 8)?.getBigUint64(0, true);
    if (first === undefined) return n;
    for (let page = 0n; page < 1n << BigInt(order); page++) {
      const isDone = command === MemoryOp.decrease_reservation ? physmap.remove(first + page) === 0 : physmap.populate(first + page);
      if (!isDone) return n;
    }
  }
  return Number(count);
}

/** The guest's RAM, as BIOSes tell it. */
function memoryMap(xen: XenDomain, vcpu: Vcpu, arg: bigint): number {
  const view = xen.args.read(vcpu, arg, 16);
  if (view === undefined) return Errno.EFAULT;
  const entries = xen.domain.ram.slice(0, view.getUint32(0, true));
  const bytes = new DataView(new ArrayBuffer(20 * entries.length));
  for (const [n, { at, size }] of entries.entries()) {
    bytes.setBigUint64(20 * n, BigInt(at), true);
    bytes.setBigUint64(20 * n + 8, BigInt(size), true);
    bytes.setUint32(20 * n + 16, E820_RAM, true);
  }
  if (!xen.args.write(vcpu, view.getBigUint64(8, true), new Uint8Array(bytes.buffer))) return Errno.EFAULT;
  view.setUint32(0, entries.length, true);
  return xen.args.write(vcpu, arg, new Uint8Array(view.buffer)) ? 0 : Errno.EFAULT;
}

/** Pages of a server that the caller made, at frames that it chooses: XENMEM_resource_ioreq_server, frame 1. There is no other resource. */
function acquireResource(xen: XenDomain, vcpu: Vcpu, arg: bigint): number {
  const view = xen.args.read(vcpu, arg, 32);
  if (view === undefined) return Errno.EFAULT;
  const [type, id, count, padding] = [view.getUint16(2, true), view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true)];
  const name = xen.nameOf(view.getUint16(0, true));
  if (name === undefined) return Errno.ESRCH;
  if (padding !== 0) return Errno.EINVAL;
  if (type !== 0) return Errno.EOPNOTSUPP;
  if (count !== 1 || view.getBigUint64(16, true) !== 1n) return Errno.EINVAL;
  const gfn = xen.args.read(vcpu, view.getBigUint64(24, true), 8)?.getBigUint64(0, true);
  return gfn === undefined ? Errno.EFAULT : xen.models.mapPage(name, id, gfn);
}
