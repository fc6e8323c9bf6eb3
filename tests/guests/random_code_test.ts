/**
 * Pages of random code at EL1 and EL0, with the MMU off and on: no guest may throw,
 * hang the host, or touch what isn't its own. `PLUGBOARD_SEED` and `PLUGBOARD_PAGES` choose others and more.
 */
import { assert, assertEquals } from "@std/assert";
import { boot } from "../../mod.ts";
import { declarations } from "../../plugins/cpu_a64/isa/mod.ts";
import { Random, SEED } from "../support/random.ts";

const RAM = 0x4000_0000;
/** Where examples/guests/hostile/random.S looks for flags and registers. */
const SETTINGS = RAM + 0x10_0000;
/** Virtual time that each page gets in each mode: about as many instructions. */
const SLICE_NS = 20_000;
const modes = ["EL1", "EL0", "EL1, MMU on", "EL0, MMU on"];

const manifest = `board: random
memory: [{ at: ${RAM}, size: 16MiB }]
plugins:
  - use: cpu_a64
    model: max
  - use: vmsa
  - use: scheduler_fair
  - { use: gicv3, distributor: 0x0800_0000, redistributors: 0x080a_0000 }
  - use: generic_timer
  - use: psci
domains:
  - name: guest
    vcpus: 2
    memory: [{ at: ${RAM}, size: 8MiB }]
    plugins:
      - { use: pl011, at: 0x0900_0000, interrupt: spi 1, port: console }
      - use: fdt
      - { use: linux_boot, kernel: random.bin, format: raw, load: 0x4020_0000 }
`;

/** Any word; a declared instruction with random fields; or one of the system class, which has most of the traps. */
function word(random: Random): number {
  const kind = random.below(10);
  if (kind < 2) return random.u32();
  if (kind === 2) return (0xd500_0000 | random.below(1 << 22)) >>> 0;
  if (kind === 3) return (0xd400_0000 | random.below(32) << 5 * random.below(2) | random.below(4)) >>> 0;
  const { mask, value } = random.pick(declarations);
  return (value | random.u32() & ~mask) >>> 0;
}

/** Numbers; addresses of RAM, of devices, of nothing; PSCI's functions. */
function register(random: Random): bigint {
  switch (random.below(6)) {
    case 0:
      return random.u64();
    case 1:
      return BigInt(random.below(64));
    case 2:
      return BigInt(random.pick([0x0900_0000, 0x0800_0000, 0x080a_0000, 0x080b_0000, 0x080c_0000]) + random.below(0x400) * 4);
    case 3:
      return BigInt(random.pick([0x8400_0000, 0xc400_0000, 0x8000_0000]) + random.below(0x18));
    default:
      return BigInt(RAM + random.below(0x10_0000)) & (random.chance(0.8) ? ~15n : ~0n);
  }
}

function settings(random: Random, mode: number): Uint8Array {
  const bytes = new Uint8Array(0x400);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, mode, true);
  for (let n = 0; n < 32; n++) view.setBigUint64(0x10 + 8 * n, register(random), true);
  for (let at = 0x200; at < 0x400; at += 8) view.setBigUint64(at, random.u64(), true);
  return bytes;
}

const PAGES = Number(Deno.env.get("PLUGBOARD_PAGES") ?? 200);

Deno.test(`${PAGES} pages of random code, in four modes each: nothing throws, hangs, or leaves its own memory`, async () => {
  const stub = await Deno.readFile(new URL("../../examples/guests/hostile/random.bin", import.meta.url));
  const machine = await boot(manifest, { images: new Map([["random.bin", stub]]) });
  try {
    const [spec] = machine.board.domains;
    machine.destroyDomain(machine.domains[0]);
    const { memory } = machine;
    // Somebody else's RAM, between and around the frames that guests get.
    const canaries = Array.from({ length: 64 }, () => memory.allocate("canary", 0));
    for (const pa of canaries) memory.view(pa, 4096).fill(0xa5);
    const free = memory.freeFrames;
    const endings = new Map<string, number>();
    let instructions = 0;
    for (let page = 0; page < PAGES; page++) {
      for (const [mode, name] of modes.entries()) {
        const random = new Random(`page ${page} ${mode}`);
        const where = `PLUGBOARD_SEED=${SEED}, page ${page}, ${name}`;
        const domain = await machine.createDomain({ ...spec, name: `page${page}-${mode}` });
        domain.writeMemory(RAM, new Uint8Array(Uint32Array.from({ length: 1024 }, () => word(random)).buffer));
        domain.writeMemory(SETTINGS, settings(random, mode));
        const began = performance.now();
        const reason = machine.runFor(SLICE_NS, 5000);
        assert(performance.now() - began < 5000, `${where}: it hangs the host`);
        assertEquals(machine.stats.traced.get("plugin failure"), undefined, `${where}\n${reason?.report}`);
        instructions += domain.vcpus.reduce((sum, { state }) => sum + state.retired, 0);
        const ending = reason?.kind ?? "goes on";
        endings.set(ending, (endings.get(ending) ?? 0) + 1);
        machine.destroyDomain(domain);
        assertEquals(memory.freeFrames, free, `${where}: frames are lost`);
      }
    }
    for (const pa of canaries) assert(memory.view(pa, 4096).every((byte) => byte === 0xa5), `a guest wrote to somebody else's frame ${pa}`);
    // The guests did get somewhere.
    assert((endings.get("goes on") ?? 0) > PAGES, JSON.stringify([...endings]));
    assert(instructions > PAGES * 4 * 5000, `${instructions} instructions`);
  } finally {
    machine.dispose();
  }
});
