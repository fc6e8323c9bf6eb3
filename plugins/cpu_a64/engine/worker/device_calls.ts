/** A CPU's accesses to devices: they are the hypervisor's thread's, which makes them for it. */
import type { MmioHandler } from "../../../../core/mod.ts";
import type { DeviceAccess } from "../neighbours.ts";
import { Call, type Control, Own } from "./control.ts";

/** How long it sleeps at most before it looks again, in milliseconds. */
const NAP_MS = 100;

/** What the CPU's thread has to do around a call. */
export interface CallHooks {
  /** The CPU waits: nobody needs to wait for it. */
  left(): void;
  /** It goes on: what the others asked for meanwhile is to be done first. */
  entered(): void;
  /** The CPU's own GICV. */
  readonly own: MmioHandler;
}

/** Makes the access, which may be the CPU's own after all. */
export function deviceCalls(control: Control, index: number, hooks: CallHooks): DeviceAccess {
  const address = control.own(index, Own.ADDRESS) / 2, data = control.own(index, Own.VALUE) / 2;
  return (pa, size, value) => {
    control.floats[address] = pa;
    control.longs[data] = value ?? 0n;
    control.set(index, Own.SIZE, size);
    control.set(index, Own.WRITES, value === undefined ? 0 : 1);
    hooks.left();
    control.set(index, Own.CALL, Call.asked);
    control.ring();
    let answer: number = Call.asked;
    while (answer === Call.asked) {
      Atomics.wait(control.words, control.own(index, Own.CALL), Call.asked, NAP_MS);
      answer = control.get(index, Own.CALL);
    }
    control.set(index, Own.CALL, Call.none);
    hooks.entered();
    if (answer === Call.again) return "again";
    if (answer === Call.nobody) return "nobody";
    if (answer !== Call.own) return control.longs[data];
    const offset = control.floats[address];
    if (value === undefined) return BigInt(hooks.own.read(offset, size));
    hooks.own.write(offset, size, value);
    return 0n;
  };
}
