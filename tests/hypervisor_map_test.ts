/** One plugin's source that maps what EL2 reaches, on a machine with page tables and on one with an MPU. */
import { assertEquals, assertThrows } from "@std/assert";
import { definePlugin, HypervisorMap, Machine, MapRefusedError, SchedulerPolicy } from "../core/mod.ts";
import type { HypervisorMapping, MmioHandler, Plugin, PluginUse } from "../core/mod.ts";
import { roundRobin, uses } from "../core/testing.ts";
import { cpuA64 } from "../plugins/cpu_a64/mod.ts";
import { pmsa } from "../plugins/pmsa/mod.ts";
import { vmsa } from "../plugins/vmsa/mod.ts";

const RAM = 0x4000_0000, DEVICE = 0x900_0000, PAGE = 4096, MIB = 2 ** 20;
/** Free RAM of the board: the domain has the first MiB. */
const FREE = RAM + 4 * MIB;

/** What the plugin under test saw. */
interface Seen {
  console?: bigint;
  joined?: boolean;
  guest?: bigint;
  unmapped?: string;
  /** What the guest finds afterwards. */
  reread?: bigint;
  readonly written: number[];
}

/** A console of the hypervisor's, buffers in scattered frames, and a look at a guest's memory when it calls. */
function driver(seen: Seen): Plugin {
  return definePlugin({
    name: "driver",
    doc: "Maps a device, frames and guest memory.",
    options: {},
    needs: [HypervisorMap],
    provides: [SchedulerPolicy],
    setup({ get, provide, bus, exceptions }) {
      provide(SchedulerPolicy, roundRobin());
      const handler: MmioHandler = {
        read: (offset) => 0xab00 + offset,
        write: (_offset, _size, value) => void seen.written.push(Number(value)),
      };
      bus.claim(DEVICE, PAGE, "console", handler);
      const map = get(HypervisorMap);

      const console = map.fixmap(0, DEVICE, "device-ngnre");
      seen.console = console.read(0x18, 2);
      for (const byte of new TextEncoder().encode("hi")) console.write(0, 1, BigInt(byte));
      assertThrows(() => console.read(1, 4), RangeError);
      assertThrows(() => console.read(PAGE, 1), RangeError);

      // Frames in any order: one buffer where the machine translates, two where it doesn't.
      const frames = [FREE + 2 * PAGE, FREE];
      const data = { read: true, write: true, execute: false, type: "normal-wb" } as const;
      let pieces: HypervisorMapping[];
      try {
        pieces = [map.vmap(frames, data)];
        seen.joined = true;
      } catch (error) {
        if (!(error instanceof MapRefusedError)) throw error;
        assertEquals(error.reason, "translation");
        pieces = frames.map((frame) => map.vmap([frame], data));
        seen.joined = false;
      }
      const at = (offset: number) =>
        pieces.length === 1 ? { piece: pieces[0], offset } : { piece: pieces[Math.floor(offset / PAGE)], offset: offset % PAGE };
      for (const offset of [0, PAGE - 8, PAGE, 2 * PAGE - 8]) at(offset).piece.write(at(offset).offset, 8, BigInt(offset + 1));
      for (const offset of [0, PAGE - 8, PAGE, 2 * PAGE - 8]) assertEquals(at(offset).piece.read(at(offset).offset, 8), BigInt(offset + 1));
      for (const piece of pieces) map.unmap(piece);
      assertThrows(() => pieces[0].read(0, 1), RangeError);
      assertThrows(() => map.unmap(pieces[0]), RangeError);

      let calls = 0;
      exceptions.claim(0x16, ({ vcpu: { domain, state } }) => {
        if (++calls === 2) {
          seen.reread = state.x(3);
          domain.end({ kind: "power-off" });
          return "stopped";
        }
        // The guest's present CPU is its own: what EL2 reaches doesn't depend on it.
        const { pa } = domain.space.lookup(RAM + 0x8000)!;
        const window = map.ioremap(pa, 8, "normal-wb");
        seen.guest = window.read(0, 8);
        window.write(0, 8, 0x1234n);
        assertEquals([...domain.readMemory(RAM + 0x8000, 2)], [0x34, 0x12]);
        map.unmap(window);
        try {
          window.read(0, 8);
        } catch (error) {
          seen.unmapped = (error as Error).name;
        }
        assertEquals(console.read(0x18, 2), seen.console);
        return "resume";
      });
    },
    attach: ({ domain, onBoot }) =>
      onBoot(() => {
        // MOVZ X1, #0x4000, LSL #16; MOVK X1, #0x8000; MOVZ X2, #0x77; STR X2, [X1]; HVC #0; LDR X3, [X1]; HVC #0
        const code = [0xd2a8_0001, 0xf290_0001, 0xd280_0ee2, 0xf900_0022, 0xd400_0002, 0xf940_0023, 0xd400_0002];
        domain.writeMemory(RAM, new Uint8Array(new Uint32Array(code).buffer));
        domain.vcpus[0].start(BigInt(RAM), 0n);
      }),
  });
}

for (const [backend, model, joined] of [[vmsa, "cortex-a57", true], [pmsa, "cortex-r82", false]] as const) {
  Deno.test(`the hypervisor's mappings on ${backend.name}: the plugin is the same`, async () => {
    const seen: Seen = { written: [] };
    const [cpu] = uses(cpuA64);
    const plugins: PluginUse[] = [{ ...cpu, options: { ...cpu.options, model } }, ...uses(backend as Plugin, driver(seen))];
    const machine = await Machine.create({
      name: "both",
      doc: "",
      file: "both.yaml",
      seed: 1,
      time: "virtual",
      nsPerInstruction: 1,
      pcpus: 1,
      memory: [{ at: RAM, size: 16 * MIB }],
      plugins,
      domains: [{ name: "guest", vcpus: 1, memory: [{ at: RAM, size: MIB }], plugins: [] }],
    }, { images: new Map(), onSerial: () => {} });
    try {
      const stop = machine.runFor(1e9, 20_000);
      assertEquals(stop?.kind, "power-off", stop?.report);
    } finally {
      machine.dispose();
    }
    assertEquals(seen, { console: 0xab18n, joined, guest: 0x77n, unmapped: "RangeError", reread: 0x1234n, written: [0x68, 0x69] });
  });
}
