/** Runs a machine in slices, so that keys, signals and limits are served in between. */
import type { Machine, StopReason } from "../../core/mod.ts";
import type { Ending } from "../exit_codes.ts";
import type { Watcher } from "../expect/expectations.ts";
import type { Terminal } from "../console/terminal.ts";

/** Wall-clock length of a slice: short enough for keys, long enough to cost nothing. */
const SLICE_MS = 20;

/** Virtual length of a slice where a script reads and types: whatever the host's speed, it sees and does the same at the same instruction. */
const SCRIPT_SLICE_NS = 2_000_000;

/** Any byte on this port presses the power key. */
export const POWER_KEY = "power-key";

/** What running needs of a machine. */
export type Runnable = Pick<
  Machine,
  | "runFor"
  | "serialInput"
  | "endInput"
  | "onHostInput"
  | "reboot"
  | "domains"
  | "serialPorts"
  | "nowNs"
  | "runsInVain"
  | "waiting"
  | "wakeAfterMs"
>;

/** What running needs of the terminal. */
export type Console = Pick<Terminal, "ended" | "quit" | "powerKey" | "take" | "wait" | "wake">;

/** When to give up. */
export interface Limits {
  /** Virtual nanoseconds, and how the user wrote it. */
  readonly virtual?: { readonly ns: number; readonly text: string };
  /** Milliseconds of the host's clock. */
  readonly wall?: { readonly ms: number; readonly text: string };
}

/** Somebody who operates domains while they run. */
export interface Operator {
  /** True when he asked for something. */
  readonly pending: boolean;
  /** Called when he does. */
  onRequest: (() => void) | undefined;
  /** Lets what he says come in. */
  breathe(): Promise<void>;
  /** Does it. */
  serve(): Promise<void>;
}

/** Everything around a run. */
export interface Surroundings {
  /** Where input goes for which the terminal names no console. */
  readonly port: string | undefined;
  readonly terminal: Console;
  readonly watcher: Watcher;
  readonly limits: Limits;
  /** Who operates the domains from outside. */
  readonly control?: Operator;
  /** A domain that asks for a reboot gets it, and this is told; absent: that ends the run. */
  readonly rebooting?: (reason: StopReason) => void;
}

/** Where a domain can't be built again, it is gone, and the others go on. Throws when it was the last one. */
async function reboot(machine: Runnable, name: string): Promise<void> {
  try {
    await machine.reboot(name);
  } catch (error) {
    if (machine.domains.length === 0) throw error;
    console.error(`error: ${name} can't start over, and is gone: ${(error as Error).message}`);
  }
}

/** Runs until something ends it. */
export async function runMachine(
  machine: Runnable,
  { port, terminal, watcher, limits, rebooting, control }: Surroundings,
): Promise<Ending> {
  const { virtual, wall } = limits;
  const deadline = wall ? performance.now() + wall.ms : Infinity;
  let listening = true;
  let stuck = false;
  let wasInVain = false;
  machine.onHostInput(() => terminal.wake());
  if (control) control.onRequest = () => terminal.wake();
  for (;;) {
    if (terminal.quit) return { kind: "quit", ...terminal.quit };
    if (control?.pending) await control.serve();
    for (const { console = port, bytes } of terminal.take()) {
      // A domain that was destroyed has taken its console with it.
      if (console !== undefined && machine.serialPorts.includes(console)) machine.serialInput(console, bytes);
    }
    if (terminal.powerKey) {
      terminal.powerKey = false;
      if (machine.serialPorts.includes(POWER_KEY)) machine.serialInput(POWER_KEY, Uint8Array.of(1));
    }
    for (const text of watcher.takeInput()) {
      if (port !== undefined && machine.serialPorts.includes(port)) machine.serialInput(port, new TextEncoder().encode(text));
    }
    if (listening && terminal.ended && (stuck || !watcher.types)) {
      listening = false;
      machine.endInput();
    }
    const left = virtual ? virtual.ns - machine.nowNs : Infinity;
    const reason = watcher.isScripted
      ? machine.runFor(Math.min(SCRIPT_SLICE_NS, left), deadline - performance.now())
      : machine.runFor(left, Math.min(SLICE_MS, deadline - performance.now()));
    // Nothing happens before input comes: what is on the screen is all there will be.
    stuck = machine.waiting && machine.wakeAfterMs === undefined;
    const over = virtual && machine.nowNs >= virtual.ns
      ? `${virtual.text} of virtual time`
      : performance.now() >= deadline
      ? `${wall?.text} of wall time`
      : undefined;
    watcher.settle(reason || stuck || over !== undefined ? undefined : machine.nowNs);
    if (watcher.ending) return watcher.ending;
    // A kernel that panics may start over: for whoever doesn't watch, that is an endless boot.
    if (reason?.kind === "reboot" && watcher.panic !== undefined) return { kind: "panic", text: watcher.panic };
    if (reason?.kind === "reboot" && rebooting) {
      rebooting(reason);
      await reboot(machine, reason.domain!);
      continue;
    }
    if (reason) return { kind: "stopped", reason };
    // Twice in a row, because who runs now may only just have got there.
    const inVain = machine.runsInVain && !control;
    if (inVain && wasInVain) return { kind: "in-vain" };
    wasInVain = inVain;
    if (watcher.typing || stuck && listening && terminal.ended) continue;
    if (over !== undefined) return { kind: "timeout", limit: over };
    await control?.breathe();
    await terminal.wait(
      machine.waiting && !control?.pending ? Math.min(machine.wakeAfterMs ?? Infinity, deadline - performance.now(), 1000) : 0,
    );
  }
}
