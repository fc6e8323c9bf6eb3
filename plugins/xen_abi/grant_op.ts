/** GNTTABOP_*: arrays of grant operations. Xen's public header grant_table.h. */
import type { Vcpu } from "../../core/mod.ts";
import { Errno } from "../event_channels/contract.ts";
import { GrantStatus } from "../grant_tables/contract.ts";
import type { CopyEnd } from "../grant_tables/contract.ts";
import { domainOf, isSelf, low32 } from "./xen_domain.ts";
import type { Handler, XenDomain } from "./xen_domain.ts";

/** Operations of one call before the guest gets a look at its interrupts. */
const BATCH = 64;

const HOST_MAP = 2, READ_ONLY = 4, UNSUPPORTED_MAP = 8 | 16;
const SOURCE_GREF = 1, DEST_GREF = 2;
const INVALID_GFN = 0xffff_ffff_ffff_ffffn;

/** One operation on its structure, in place. An error of `Errno` ends the call. */
type Operation = (xen: XenDomain, view: DataView, vcpu: Vcpu) => number | void;

const map: Operation = (xen, view) => {
  const flags = view.getUint32(8, true), name = domainOf(xen, view.getUint16(16, true));
  const fail = (status: number) => view.setInt16(18, status, true);
  if (name === undefined) return fail(GrantStatus.bad_domain);
  if ((flags & HOST_MAP) === 0 || (flags & UNSUPPORTED_MAP) !== 0) return fail(GrantStatus.general_error);
  const address = view.getBigUint64(0, true);
  if ((address & 0xfffn) !== 0n) return fail(GrantStatus.bad_virt_addr);
  const request = { owner: name, reference: view.getUint32(12, true), gfn: address >> 12n, readOnly: (flags & READ_ONLY) !== 0 };
  const { status, handle } = xen.grants.map(request);
  view.setInt16(18, status, true);
  view.setUint32(20, status === 0 ? handle : 0, true);
  // Nobody without an IOMMU has a bus address: that of the page is the guest's own.
  view.setBigUint64(24, status === 0 ? address : 0n, true);
};

const unmap: Operation = (xen, view) => {
  const address = view.getBigUint64(0, true);
  view.setInt16(
    20,
    (address & 0xfffn) === 0n ? xen.grants.unmap(view.getUint32(16, true), address >> 12n) : GrantStatus.bad_virt_addr,
    true,
  );
};

const setupTable: Operation = (xen, view, vcpu) => {
  const frames = view.getUint32(4, true);
  const status = (value: number) => view.setInt16(8, value, true);
  if (!isSelf(xen, view.getUint16(0, true))) return status(GrantStatus.permission_denied);
  if (frames > xen.grants.maxSize) return status(GrantStatus.general_error);
  const list = new DataView(new ArrayBuffer(8 * frames));
  for (let n = 0; n < frames; n++) {
    const frame = xen.grants.frame(n);
    if (frame === undefined) return status(GrantStatus.general_error);
    list.setBigUint64(8 * n, frame.gfn ?? INVALID_GFN, true);
  }
  if (!xen.args.write(vcpu, view.getBigUint64(16, true), new Uint8Array(list.buffer))) return Errno.EFAULT;
  status(GrantStatus.okay);
};

const querySize: Operation = (xen, view) => {
  const isOwn = isSelf(xen, view.getUint16(0, true));
  view.setUint32(4, isOwn ? xen.grants.size : 0, true);
  view.setUint32(8, isOwn ? xen.grants.maxSize : 0, true);
  view.setInt16(12, isOwn ? GrantStatus.okay : GrantStatus.permission_denied, true);
};

const copy: Operation = (xen, view) => {
  const flags = view.getUint16(34, true);
  const end = (at: number, isReference: boolean): CopyEnd | number => {
    const domid = view.getUint16(at + 8, true), offset = view.getUint16(at + 10, true);
    const name = domainOf(xen, domid);
    if (name === undefined) return GrantStatus.bad_domain;
    if (isReference) return { owner: name, reference: view.getUint32(at, true), offset };
    return name === xen.domain.name ? { gfn: view.getBigUint64(at, true), offset } : GrantStatus.permission_denied;
  };
  const source = end(0, (flags & SOURCE_GREF) !== 0), target = end(16, (flags & DEST_GREF) !== 0);
  const refused = [source, target].find((value) => typeof value === "number");
  const status = refused ?? xen.grants.copy(source as CopyEnd, target as CopyEnd, view.getUint16(32, true));
  view.setInt16(36, status as number, true);
};

const setVersion: Operation = (_xen, view) => {
  const version = view.getUint32(0, true);
  view.setUint32(0, 1, true);
  if (version !== 1) return version === 2 ? Errno.ENOSYS : Errno.EINVAL;
};

const getVersion: Operation = (xen, view) => {
  if (!isSelf(xen, view.getUint16(0, true))) return Errno.EPERM;
  view.setUint32(4, 1, true);
};

/** Caches are coherent: there is nothing to do. */
const cacheFlush: Operation = (_xen, view) => view.getUint16(8, true) + view.getUint16(10, true) > 4096 ? Errno.EINVAL : undefined;

const operations: Readonly<Record<number, { readonly size: number; readonly operate: Operation }>> = {
  0: { size: 32, operate: map },
  1: { size: 24, operate: unmap },
  2: { size: 24, operate: setupTable },
  5: { size: 40, operate: copy },
  6: { size: 16, operate: querySize },
  8: { size: 4, operate: setVersion },
  10: { size: 8, operate: getVersion },
  12: { size: 16, operate: cacheFlush },
};

/** HYPERVISOR_grant_table_op(cmd, array, count). */
export const grantTableOp: Handler = (xen, vcpu, [cmd, array, length]) => {
  const operation = operations[low32(cmd)];
  if (operation === undefined) return Errno.ENOSYS;
  const count = low32(length);
  for (let n = 0; n < count; n++) {
    const at = BigInt.asUintN(64, array + BigInt(n * operation.size));
    if (n === BATCH) return { again: [cmd, at, BigInt(count - n)] };
    const view = xen.args.read(vcpu, at, operation.size);
    if (view === undefined) return Errno.EFAULT;
    // A structure that can't be written back would leave a mapping that nobody knows of.
    if (xen.args.places(vcpu, at, operation.size, true) === undefined) return Errno.EFAULT;
    const result = operation.operate(xen, view, vcpu) ?? 0;
    if (!xen.args.write(vcpu, at, new Uint8Array(view.buffer))) return Errno.EFAULT;
    if (result < 0) return result;
  }
  return 0;
};
