/** CONSOLEIO_*: a guest's early console. Xen's public header xen.h, "console_io". */
import { Errno } from "../event_channels/contract.ts";
import { ConsoleOp } from "./numbers.ts";
import { low32 } from "./xen_domain.ts";
import type { Handler } from "./xen_domain.ts";

/** Bytes of one call; a longer text is cut, and the caller told. */
const MOST = 4096;

/** HYPERVISOR_console_io(cmd, count, buffer). */
export const consoleIo: Handler = (xen, vcpu, [cmd, length, buffer]) => {
  const count = low32(length);
  switch (low32(cmd)) {
    case ConsoleOp.write: {
      for (let done = 0; done < Math.min(count, 16 * MOST); done += MOST) {
        const view = xen.args.read(vcpu, buffer + BigInt(done), Math.min(MOST, count - done));
        if (view === undefined) return Errno.EFAULT;
        xen.print(new Uint8Array(view.buffer));
      }
      return 0;
    }
    case ConsoleOp.read: {
      const { input } = xen.state;
      const bytes = Uint8Array.from(input.slice(0, Math.min(count, MOST)));
      if (!xen.args.write(vcpu, buffer, bytes)) return Errno.EFAULT;
      input.splice(0, bytes.length);
      return bytes.length;
    }
    default:
      return Errno.ENOSYS;
  }
};
