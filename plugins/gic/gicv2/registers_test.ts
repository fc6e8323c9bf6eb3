import { assert, assertEquals, assertThrows } from "@std/assert";
import { Interrupts, OptionError } from "../../../core/mod.ts";
import type { MmioHandler } from "../../../core/mod.ts";
import { bench } from "../../../core/testing.ts";
import type { Bench } from "../../../core/testing.ts";
import { VirtualCpuInterface } from "../../cpu_a64/contract.ts";
import { gicv2 } from "./plugin.ts";
import type { Gicv2Options } from "./plugin.ts";
import type { GicState } from "../vgic/state.ts";

const GICD = 0x0800_0000;
const GICC = 0x0801_0000;
const GICV = 0x0804_0000;
const SGIR = GICD + 0xf00;
const options: Gicv2Options = {
  distributor: GICD,
  cpu_interface: GICC,
  cpu_interface_size: 0x2000,
  gicv: GICV,
  spis: 224,
  list_registers: 4,
};

async function machine(vcpus = 2, changes: Partial<Gicv2Options> = {}): Promise<{ kit: Bench; state: GicState; frame: MmioHandler }> {
  const frame: MmioHandler = { read: () => 0, write: () => {} };
  const kit = bench({ vcpus, interrupts: false, provide: [[VirtualCpuInterface, frame]] });
  kit.domain.vcpus.forEach(({ state }) => state.write("ICH_VTR_EL2", 0x9000_000fn));
  const state = await kit.attach(gicv2, { ...options, ...changes });
  kit.domain.vcpus.forEach((vcpu) => vcpu.start(0x4000_0000n, 0n));
  return { kit, state, frame };
}

/** Everything enabled in group 0, SPIs to vCPU 0. */
async function enabled(vcpus = 2, changes: Partial<Gicv2Options> = {}): Promise<Bench> {
  const { kit } = await machine(vcpus, changes);
  kit.write32(GICD, 1);
  for (let n = 1; n < 8; n++) kit.write32(GICD + 0x100 + 4 * n, 0xffff_ffff);
  for (let v = 0; v < vcpus; v++) kit.write32(GICD + 0x100, 0xffff_ffff, v);
  for (let n = 32; n < 256; n += 4) kit.write32(GICD + 0x800 + n, 0x0101_0101);
  return kit;
}

/** INTID with its source, and state, of a vCPU's list register. */
function listed(kit: Bench, v: number, n = 0): [intid: number, state: number] {
  const value = kit.state(v).read(`ICH_LR${n}_EL2`);
  return [Number(value & 0xffff_ffffn), Number(value >> 62n)];
}

/** The guest acknowledges what list register 0 holds, or ends it. */
function turn(kit: Bench, v: number, state: "active" | "ended"): void {
  kit.enter(v);
  const value = kit.state(v).read("ICH_LR0_EL2") & ~(3n << 62n);
  kit.state(v).write("ICH_LR0_EL2", state === "active" ? value | 2n << 62n : value);
  kit.exit(v);
}

Deno.test("gicv2: what guests probe: TYPER, IIDR, identification, itself in ITARGETSR0, with one vCPU too", async () => {
  for (const vcpus of [1, 3, 8]) {
    const { kit } = await machine(vcpus);
    assertEquals(kit.read32(GICD + 4), 7 | vcpus - 1 << 5);
    const bytes = Array.from({ length: 12 }, (_, n) => kit.read32(GICD + 0xfd0 + 4 * n));
    assertEquals(bytes, [0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1]);
    for (let v = 0; v < vcpus; v++) {
      for (let n = 0; n < 32; n += 4) assertEquals(kit.read32(GICD + 0x800 + n, v), 0x0101_0101 << v >>> 0);
    }
    kit.write32(GICD + 0x800, 0xffff_ffff);
    assertEquals(kit.read8(GICD + 0x81f), 1);
    const absent = 0xff & ~((1 << vcpus) - 1);
    kit.write32(GICD + 0x820, 0xffff_ffff);
    assertEquals(kit.read32(GICD + 0x820) & absent * 0x0101_0101, 0);
  }
});

Deno.test("gicv2: the vCPU has no system registers, and GICV where the guest has GICC", async () => {
  const { kit, frame } = await machine(1);
  assertEquals([kit.state().read("ICC_SRE_EL1"), kit.state().read("ICC_SRE_EL2") & 8n], [0n, 0n]);
  assertEquals(kit.domain.space.lookup(GICC + 0x10), {
    pa: GICV + 0x10,
    mapping: { read: true, write: true, execute: false, type: "device-ngnre" },
  });
  assertEquals(kit.domain.space.lookup(GICC + 0x1000), undefined, "GICC_DIR takes an exit");
  const owner = kit.host.environment.bus.find(GICV + 0x1fff);
  assertEquals(owner?.at, GICV);
  assert(owner?.handler === frame);
});

Deno.test("gicv2: a CPU interface of 4 KiB has no GICC_DIR", async () => {
  const { kit } = await machine(1, { cpu_interface_size: 0x1000 });
  assertThrows(() => kit.write32(GICC + 0x1000, 40), Error, "write of 4 bytes");
});

const mistakes: [what: string, option: keyof Gicv2Options, value: number][] = [
  ["GICV in the middle of RAM", "gicv", 0x4000_0000],
  ["more list registers than the CPU has", "list_registers", 5],
];
for (const [what, option, value] of mistakes) {
  Deno.test(`gicv2: a mistake of the manifest: ${what}`, async () => {
    const kit = bench({ interrupts: false, provide: [[VirtualCpuInterface, {}]] });
    kit.state().write("ICH_VTR_EL2", 0x9000_0003n);
    const error = await kit.attach(gicv2, { ...options, [option]: value }).then(() => undefined, (error) => error);
    assert(error instanceof OptionError, String(error));
    assertEquals(error.option, option);
  });
}

Deno.test("gicv2: private registers are those of the vCPU that accesses them", async () => {
  const { kit } = await machine(2);
  for (const offset of [0x080, 0x100, 0x300, 0x400, 0x41c]) {
    kit.write32(GICD + offset, 0xf8f8_f8f8, 1);
    assertEquals([kit.read32(GICD + offset, 0), kit.read32(GICD + offset, 1)], [0, 0xf8f8_f8f8], `offset ${offset}`);
  }
  for (const offset of [0x084, 0x104, 0x204, 0x304, 0x420, 0x820]) {
    kit.write32(GICD + offset, 0x0101_0101 * (offset === 0x420 ? 8 : 1), 1);
    assertEquals(kit.read32(GICD + offset, 0), kit.read32(GICD + offset, 1), `offset ${offset}`);
    assert(kit.read32(GICD + offset, 0) !== 0);
  }
});

Deno.test("gicv2: priorities and targets take words and bytes", async () => {
  const { kit } = await machine(4);
  for (const [offset, mask] of [[0x420, 0xf8f8_f8f8], [0x820, 0x0f0f_0f0f]]) {
    kit.write32(GICD + offset, 0xff7f_bf3f);
    assertEquals(kit.read32(GICD + offset), (0xff7f_bf3f & mask) >>> 0);
    kit.write8(GICD + offset + 2, 0x1f);
    assertEquals(kit.read32(GICD + offset), (0xff1f_bf3f & mask) >>> 0);
    assertEquals(kit.read8(GICD + offset + 1), 0xbf & mask);
    kit.write16(GICD + offset + 2, 0x0102);
    assertEquals(kit.read16(GICD + offset + 2), 0x0102 & mask);
  }
  // Beyond the last INTID.
  for (const offset of [0x500, 0x900, 0x120, 0xc40]) {
    kit.write32(GICD + offset, 0xffff_ffff);
    assertEquals(kit.read32(GICD + offset), 0);
  }
});

Deno.test("gicv2: SGIs are pending by their own registers only, and clear by them", async () => {
  const kit = await enabled();
  kit.write32(GICD + 0x200, 0xffff);
  assertEquals(kit.read32(GICD + 0x200), 0);
  kit.write8(GICD + 0xf23, 0b10);
  assertEquals([kit.read32(GICD + 0x200), listed(kit, 0)], [8, [3 | 1 << 10, 1]]);
  kit.write32(GICD + 0x280, 0xffff);
  assertEquals(kit.read32(GICD + 0x280), 8);
  assertEquals([kit.read32(GICD + 0xf20), kit.read8(GICD + 0xf13)], [0x0200_0000, 2]);
  kit.write32(GICD + 0xf20, 0xff00_0000);
  assertEquals(kit.read8(GICD + 0xf13), 3, "bits of absent vCPUs stay zero");
  kit.write8(GICD + 0xf13, 0b10);
  assertEquals([kit.read8(GICD + 0xf23), listed(kit, 0)], [1, [3, 1]]);
  kit.write8(GICD + 0xf13, 0xff);
  assertEquals([kit.read32(GICD + 0x200), listed(kit, 0)[1]], [0, 0]);
});

const filters: [name: string, value: number, reached: number[]][] = [
  ["by list", 5 << 16 | 7, [0, 2]],
  ["by list, to absent ones too", 0xfa << 16 | 7, [1]],
  ["to all others", 1 << 24 | 0xff << 16 | 7, [0, 2]],
  ["to itself", 2 << 24 | 7, [1]],
  ["by the reserved filter", 3 << 24 | 0xff << 16 | 7, []],
  ["NSATT doesn't count", 2 << 16 | 1 << 15 | 7, [1]],
];
for (const [name, value, reached] of filters) {
  Deno.test(`gicv2: SGI ${name}`, async () => {
    const kit = await enabled(3);
    kit.write32(SGIR, value, 1);
    for (const v of [0, 1, 2]) assertEquals(listed(kit, v), reached.includes(v) ? [7 | 1 << 10, 1] : [0, 0], `vCPU ${v}`);
    assertEquals(kit.read32(SGIR, 1), 0);
  });
}

Deno.test("gicv2: an SGI that several sent comes once from each, one after the other", async () => {
  const kit = await enabled(4);
  for (const sender of [2, 1, 3]) kit.write32(SGIR, 1 << 16 | 9, sender);
  const seen: number[] = [];
  for (let n = 0; n < 3; n++) {
    seen.push(listed(kit, 0)[0] >> 10);
    assertEquals([listed(kit, 0)[1], listed(kit, 0, 1)[1]], [1, 0]);
    turn(kit, 0, "active");
    assertEquals([listed(kit, 0)[1], listed(kit, 0)[0] >> 10, kit.read32(GICD + 0x300) >>> 9], [2, seen[n], 1]);
    // Whoever sends again meanwhile isn't forgotten, and the last end is noticed while more are to come.
    if (n === 0) assertEquals(kit.state().read("ICH_LR0_EL2") >> 41n & 1n, 1n);
    turn(kit, 0, "ended");
  }
  assertEquals([seen, listed(kit, 0)[1], kit.read32(GICD + 0x200)], [[1, 2, 3], 0, 0]);
});

Deno.test("gicv2: an SGI sent again by the same vCPU while active comes again", async () => {
  const kit = await enabled(1);
  kit.write32(SGIR, 2 << 24 | 1);
  turn(kit, 0, "active");
  kit.write32(SGIR, 2 << 24 | 1);
  assertEquals(listed(kit, 0)[1] & 2, 2);
  turn(kit, 0, "ended");
  assertEquals(listed(kit, 0), [1, 1]);
});

Deno.test("gicv2: an SPI with several targets goes to one of them: the lowest that is on", async () => {
  const kit = await enabled(3);
  const line = kit.get(Interrupts).spi(33);
  kit.write8(GICD + 0x821, 0b110);
  line.set(true);
  assertEquals([0, 1, 2].map((v) => listed(kit, v)[1]), [0, 1, 0]);
  line.set(false);
  kit.vcpu(1).stop();
  line.set(true);
  assertEquals([listed(kit, 0)[1], listed(kit, 2)], [0, [33, 1]]);
  // Nobody is on: it waits for the lowest.
  line.set(false);
  kit.vcpu(2).stop();
  line.set(true);
  assertEquals([listed(kit, 1), listed(kit, 2)[1]], [[33, 1], 0]);
  kit.write8(GICD + 0x821, 0);
  assertEquals([0, 1, 2].map((v) => listed(kit, v)[1]), [0, 0, 0]);
  kit.write8(GICD + 0x821, 1);
  assertEquals(listed(kit, 0), [33, 1]);
});

Deno.test("gicv2: level: ICPENDR clears the latch, not the line; edge: the rise counts", async () => {
  const kit = await enabled(1);
  const line = kit.get(Interrupts).spi(33);
  kit.write32(GICD + 0x204, 2);
  line.set(true);
  kit.write32(GICD + 0x284, 2);
  assertEquals([kit.read32(GICD + 0x204), ...listed(kit, 0)], [2, 33, 1]);
  line.set(false);
  assertEquals([kit.read32(GICD + 0x204), ...listed(kit, 0)], [0, 0, 0]);
  kit.write32(GICD + 0xc08, 8); // 33 becomes edge-triggered
  line.set(true);
  line.set(false);
  assertEquals(listed(kit, 0), [33, 1]);
  kit.write32(GICD + 0x284, 2);
  assertEquals(listed(kit, 0)[1], 0);
});

Deno.test("gicv2: groups: the distributor forwards what CTLR says, and the list register says which", async () => {
  const kit = await enabled(1);
  kit.get(Interrupts).spi(40).set(true);
  assertEquals(kit.state().read("ICH_LR0_EL2") >> 60n, 4n);
  kit.write32(GICD + 0x84, 1 << 8);
  assertEquals(kit.state().read("ICH_LR0_EL2"), 0n);
  kit.write32(GICD, 0xffff_ffff);
  assertEquals([kit.read32(GICD), kit.state().read("ICH_LR0_EL2") >> 60n], [3, 5n]);
});

Deno.test("gicv2: GICC_DIR ends what another vCPU has active, with EOImode 1 only", async () => {
  const kit = await enabled(2);
  kit.get(Interrupts).spi(40).set(true);
  turn(kit, 0, "active");
  const active = () => kit.read32(GICD + 0x304) >>> 8 & 1;
  kit.write32(GICC + 0x1000, 40, 1);
  assertEquals(active(), 1);
  kit.state(1).write("ICH_VMCR_EL2", 1n << 9n);
  for (const value of [41, 1023, 0xffff_fc00]) kit.write32(GICC + 0x1000, value, 1);
  assertEquals([kit.read32(GICC + 0x1000), active()], [0, 1]);
  kit.write32(GICC + 0x1000, 40 | 5 << 10, 1);
  assertEquals([active(), listed(kit, 0)], [0, [40, 1]]);
});

Deno.test("gicv2: every offset answers at every width and alignment, whatever is written", async () => {
  const { kit, state } = await machine(3);
  for (const [at, size] of [[GICD, 0x1000], [GICC + 0x1000, 0x1000]]) {
    const { handler } = kit.scope.claims.window(at)!.value;
    for (let offset = 0; offset < size; offset++) {
      for (const width of [1, 2, 4, 8]) {
        if (offset + width > size) continue;
        const all = 2n ** BigInt(8 * width) - 1n;
        for (const value of [all, 0n, 0x8000_0002_8000_0001n & all]) handler.write(offset, width, value, kit.vcpu(offset % 3));
        const value = BigInt(handler.read(offset, width, kit.vcpu(offset % 3)));
        assert(value >= 0n && value <= all, `${at + offset} ${width}: ${value}`);
        if (offset % width !== 0 || width === 8) assertEquals(value, 0n);
      }
    }
  }
  assertEquals(structuredClone(state), state);
});

Deno.test("gicv2: declares windows and its node, and refuses a ninth vCPU", () => {
  const { board } = bench({ vcpus: 8 });
  const [domain] = board.domains;
  const { windows, deviceTree } = gicv2.resources!(options, { board, domain });
  assertEquals(windows!.map(({ at, size }) => [at, size]), [[GICD, 0x1000], [GICC, 0x1000], [GICC + 0x1000, 0x1000]]);
  assertEquals(deviceTree![0].nodes![0].label, "gic");
  assertEquals(gicv2.resources!(options, { board }), { windows: [{ name: "GICV", at: GICV, size: 0x2000 }] });
  assertThrows(() => gicv2.resources!(options, { board, domain: { ...domain, vcpus: 9 } }), OptionError, "at most 8");
});
