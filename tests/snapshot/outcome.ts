/** What two runs must agree on to be one: every register, every byte of memory, and what machines count. */
import { createHash } from "node:crypto";
import type { Machine } from "../../mod.ts";

/** Everything that can be seen of a machine, comparable. */
export function outcome(machine: Machine) {
  const { instructions, exits, traced, reboots } = machine.stats;
  const domains = machine.domains.map(({ name, outcome, vcpus }) => ({
    name,
    outcome,
    vcpus: vcpus.map(({ state, power, runStates }) => ({
      power,
      runStates,
      pc: state.pc,
      pstate: state.pstate,
      retired: state.retired,
      x: Array.from({ length: 31 }, (_, n) => state.x(n)),
      v: Array.from({ length: 32 }, (_, n) => state.v(n)),
    })),
  }));
  return {
    nowNs: machine.nowNs,
    instructions,
    exits: sorted(exits),
    traced: sorted(traced),
    reboots,
    domains,
    memory: memoryHash(machine),
  };
}

function sorted(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort(([a], [b]) => a < b ? -1 : 1);
}

/** Of all frames that somebody owns; zeroes count as much as anything else. */
export function memoryHash({ memory }: Machine): string {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(4096);
  for (const { base, size, hostOffset } of memory.banks) {
    for (let at = 0; at < size; at += 4096) {
      if (!memory.touched[(hostOffset + at) / 4096] || memory.ownerOf(base + at) === undefined) continue;
      buffer.set(memory.view(base + at, 4096));
      if (buffer.every((byte) => byte === 0)) continue;
      hash.update(String(at)).update(buffer);
    }
  }
  return hash.digest("hex");
}

/** Types a line, runs for a while, and tells what came of it, as JSON can hold it. */
export function goOn(machine: Machine, typed: string): { readonly instructions: number; readonly state: string } {
  machine.serialInput("console", new TextEncoder().encode(`${typed}\n`));
  machine.runFor(0.3e9, Infinity);
  const state = JSON.stringify(outcome(machine), (_key, value) => typeof value === "bigint" ? `${value}` : value);
  return { instructions: machine.stats.instructions, state };
}
