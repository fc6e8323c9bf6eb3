/** XENVER_*: what the hypervisor says it is. Xen's public header version.h. */
import { Errno } from "../event_channels/contract.ts";
import { Feature, VersionOp } from "./numbers.ts";
import { low32 } from "./xen_domain.ts";
import type { Handler, XenDomain } from "./xen_domain.ts";

const BUILD_ID = new TextEncoder().encode("plugboard xen_abi 1");

/** Text in a field of `size` bytes, zeros behind it. */
function field(text: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(new TextEncoder().encode(text).subarray(0, size - 1));
  return bytes;
}

function features({ grants }: XenDomain): number {
  return Feature.writable_page_tables | Feature.auto_translated_physmap | Feature.memory_op_vnode_supported | Feature.ARM_SMCCC_supported |
    (grants.physmap.isDirect ? Feature.direct_mapped : Feature.not_direct_mapped);
}

/** HYPERVISOR_xen_version(cmd, arg). */
export const xenVersion: Handler = (xen, vcpu, [cmd, arg]) => {
  const put = (bytes: Uint8Array, result = 0) => xen.args.write(vcpu, arg, bytes) ? result : Errno.EFAULT;
  const { version } = xen;
  switch (low32(cmd)) {
    case VersionOp.version:
      return version.major << 16 | version.minor;
    case VersionOp.extraversion:
      return put(field(version.extra, 16));
    case VersionOp.compile_info: {
      const info = new Uint8Array(144);
      for (const [at, size, text] of [[0, 64, "V8"], [64, 16, "plugboard"], [80, 32, ""], [112, 32, ""]] as const) {
        info.set(field(text, size), at);
      }
      return put(info);
    }
    case VersionOp.capabilities:
      return put(field(`xen-${version.major}.${version.minor}-aarch64 `, 1024));
    case VersionOp.changeset:
      return put(field("", 64));
    case VersionOp.platform_parameters:
      return put(new Uint8Array(8));
    case VersionOp.get_features: {
      const asked = xen.args.read(vcpu, arg, 8);
      if (asked === undefined) return Errno.EFAULT;
      asked.setUint32(4, asked.getUint32(0, true) === 0 ? features(xen) : 0, true);
      return put(new Uint8Array(asked.buffer));
    }
    case VersionOp.pagesize:
      return arg === 0n ? 4096 : Errno.EINVAL;
    case VersionOp.guest_handle: {
      const uuid = new Uint8Array(16);
      new DataView(uuid.buffer).setUint32(12, xen.ports.id);
      return put(uuid);
    }
    case VersionOp.commandline:
      return put(field("", 1024));
    case VersionOp.build_id: {
      if (arg === 0n) return BUILD_ID.length;
      const room = xen.args.read(vcpu, arg, 4);
      if (room === undefined) return Errno.EFAULT;
      if (room.getUint32(0, true) < BUILD_ID.length) return Errno.EINVAL;
      return xen.args.write(vcpu, arg + 4n, BUILD_ID) ? BUILD_ID.length : Errno.EFAULT;
    }
    default:
      return Errno.ENOSYS;
  }
};
