/** How a run ended, and the exit code that says so truthfully. */
import type { StopReason } from "../core/mod.ts";

/** Exit codes of the command line. A guest that ends with a code of its own hands that on. */
export const EXIT = {
  ok: 0,
  expectationFailed: 1,
  usage: 2,
  guestFault: 3,
  timeout: 4,
  reboot: 5,
  internal: 70,
  interrupted: 130,
} as const;

/** How a run ended. */
export type Ending =
  /** Every text that was expected came. */
  | { readonly kind: "expected" }
  /** A text that must not come came. */
  | { readonly kind: "refused"; readonly text: string }
  /** The guest's kernel gave up. */
  | { readonly kind: "panic"; readonly text: string }
  | { readonly kind: "timeout"; readonly limit: string }
  /** Every vCPU is in an empty loop that nothing ends. */
  | { readonly kind: "in-vain" }
  /** The user left, by the keyboard or a signal. */
  | { readonly kind: "quit"; readonly signal?: string }
  | { readonly kind: "stopped"; readonly reason: StopReason };

/** The exit code; `missing`: texts that were expected and didn't come. */
export function exitCodeOf(ending: Ending, missing: readonly string[]): number {
  switch (ending.kind) {
    case "expected":
      return EXIT.ok;
    case "refused":
      return EXIT.expectationFailed;
    case "panic":
      return EXIT.guestFault;
    case "timeout":
    case "in-vain":
      return EXIT.timeout;
    case "quit":
      return ending.signal ? EXIT.interrupted : missing.length ? EXIT.expectationFailed : EXIT.ok;
    case "stopped":
      return stopCode(ending.reason, missing);
  }
}

function stopCode(reason: StopReason, missing: readonly string[]): number {
  if (reason.kind === "crash") return EXIT.guestFault;
  if (reason.kind === "idle-forever" || reason.kind === "timeout") return EXIT.timeout;
  if (missing.length) return EXIT.expectationFailed;
  if (reason.kind === "reboot") return EXIT.reboot;
  return reason.code === undefined ? EXIT.ok : reason.code & 0xff;
}

/** The ending in words. */
export function describeEnding(ending: Ending): string {
  switch (ending.kind) {
    case "expected":
      return "everything expected came";
    case "refused":
      return `${JSON.stringify(ending.text)} came, which must not`;
    case "panic":
      return `the guest's kernel panicked: ${ending.text}`;
    case "timeout":
      return `timeout: ${ending.limit} passed`;
    case "in-vain":
      return "no progress: every vCPU that runs is in an empty loop with interrupts masked";
    case "quit":
      return ending.signal ? `ended by ${ending.signal}` : "ended from the keyboard";
    case "stopped":
      return describeStop(ending.reason);
  }
}

function describeStop({ kind, domain, code, cause }: StopReason): string {
  const who = domain ?? "the guest";
  switch (kind) {
    case "power-off":
      return `${who} powered off${code === undefined ? "" : ` with code ${code}`}`;
    case "reboot":
      return cause === undefined ? `${who} asked for a reboot` : `${who} was reset by ${cause}`;
    case "crash":
      return `${who} crashed`;
    case "destroyed":
      return `${who} was destroyed`;
    case "idle-forever":
      return "nothing can happen any more";
    case "timeout":
      return "timeout";
  }
}
