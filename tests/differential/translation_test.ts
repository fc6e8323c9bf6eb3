/**
 * Random translation tables, and accesses of all kinds through them at EL1 and EL0, against QEMU: syndromes, addresses, values and PAR_EL1.
 * The guest is examples/guests/translation. PLUGBOARD_SEED and PLUGBOARD_ROUNDS choose other and more; a round that differs is shown.
 */
import { assertEquals } from "@std/assert";
import { runOnQemu } from "../guests/qemu_reference.ts";
import { Session } from "../guests/session.ts";
import { missing, qemuSystem } from "../support/toolchain.ts";

const seed = Number(Deno.env.get("PLUGBOARD_SEED") ?? 1);
const ROUNDS = Number(Deno.env.get("PLUGBOARD_ROUNDS") ?? 40);
const WALL_LIMIT_MS = 180_000 + ROUNDS * 2000;
const NONE = -1;

const program = await Deno.readFile(new URL("../../examples/guests/translation/translation.bin", import.meta.url));
const MARK = "settings";

/** The guest with other settings: behind the mark, seed, rounds and the round that is told in full. */
function image(rounds: number, told: number): Uint8Array {
  const bytes = program.slice();
  const from = new TextDecoder("latin1").decode(bytes).indexOf(MARK) + MARK.length;
  const view = new DataView(bytes.buffer);
  [seed, rounds, told].forEach((value, n) => view.setBigInt64(from + 8 * n, BigInt(value), true));
  return bytes;
}

const board = (tier1: string) => `
board: translation
doc: Random translation tables
pcpus: 1
memory: [{ at: 0x4000_0000, size: 80MiB }]
plugins:
  - { use: cpu_a64, model: cortex-a57, tier1: ${tier1} }
  - use: vmsa
  - use: scheduler_null
  - use: gicv3
  - use: generic_timer
  - { use: psci, conduit: hvc }
domains:
  - name: translation
    vcpus: 1
    memory: [{ at: 0x4000_0000, size: 64MiB }]
    plugins:
      - use: pl011
      - use: fdt
      - { use: linux_boot, kernel: translation.bin }
`;

const lines = (console: string) => console.replaceAll("\r", "").trimEnd().split("\n");

async function onQemu(rounds: number, told = NONE): Promise<string[]> {
  return lines((await runOnQemu({ kernel: image(rounds, told), cpus: 1, memoryMiB: 64, timeoutMs: WALL_LIMIT_MS })).console);
}

async function onOurs(tier1: string, rounds: number, told = NONE): Promise<string[]> {
  const images = new Map([["translation.bin", image(rounds, told)]]);
  using guest = await Session.start(board(tier1), { images, checksTables: false, wallLimitMs: WALL_LIMIT_MS });
  assertEquals(guest.finish(600e9).kind, "power-off", guest.console.slice(-500));
  return lines(guest.console);
}

let expected: Promise<string[]> | undefined;

for (const tier1 of ["off", "on", "force"]) {
  Deno.test({
    name: `random translation tables are walked as QEMU walks them, tier 1 ${tier1}`,
    ignore: missing(qemuSystem),
    async fn() {
      const wanted = await (expected ??= onQemu(ROUNDS));
      assertEquals([wanted.length, wanted.at(-1)], [ROUNDS + 1, "done"]);
      const found = await onOurs(tier1, ROUNDS);
      const round = wanted.findIndex((line, n) => line !== found[n]);
      if (round < 0) return;
      const [theirs, ours] = [await onQemu(round + 1, round), await onOurs(tier1, round + 1, round)];
      const at = theirs.findIndex((line, n) => line !== ours[n]);
      assertEquals(ours.slice(Math.max(0, at - 4), at + 1), theirs.slice(Math.max(0, at - 4), at + 1), `seed ${seed}, round ${round}`);
    },
  });
}
