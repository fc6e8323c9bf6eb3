import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Interrupts } from "../../../core/mod.ts";
import { bench } from "../../../core/testing.ts";
import type { Bench } from "../../../core/testing.ts";
import { gicv3 } from "./plugin.ts";
import type { GicState } from "../vgic/state.ts";

const GICD = 0x0800_0000;
const GICR = 0x080a_0000;
const SGI_BASE = 0x1_0000;
const gicr = (v: number) => GICR + v * 0x2_0000;

async function machine(vcpus = 2): Promise<{ kit: Bench; state: GicState }> {
  const kit = bench({ vcpus, interrupts: false });
  kit.domain.vcpus.forEach(({ state }) => state.write("ICH_VTR_EL2", 0x9000_0003n));
  const state = await kit.attach(gicv3, { distributor: GICD, redistributors: GICR, spis: 224 });
  kit.domain.vcpus.forEach((vcpu) => vcpu.start(0x4000_0000n, 0n));
  return { kit, state };
}

/** Everything enabled, group 1, priority 0x80 but for what a test says. */
async function enabled(vcpus = 2): Promise<Bench> {
  const { kit } = await machine(vcpus);
  kit.write32(GICD, 3);
  for (let n = 1; n < 8; n++) {
    kit.write32(GICD + 0x80 + 4 * n, 0xffff_ffff);
    kit.write32(GICD + 0x100 + 4 * n, 0xffff_ffff);
  }
  for (let v = 0; v < vcpus; v++) {
    kit.write32(gicr(v) + SGI_BASE + 0x80, 0xffff_ffff);
    kit.write32(gicr(v) + SGI_BASE + 0x100, 0xffff_ffff);
  }
  return kit;
}

/** INTID and state of a vCPU's list register 0. */
function listed(kit: Bench, v: number): [intid: number, state: number] {
  const value = kit.state(v).read("ICH_LR0_EL2");
  return [Number(value & 0xffff_ffffn), Number(value >> 62n)];
}

Deno.test("gicv3: what Linux probes: versions, sizes, affinities, the last redistributor, RWP", async () => {
  const { kit } = await machine(3);
  assertEquals([kit.read32(GICD + 0xffe8) >>> 4, kit.read32(gicr(1) + 0xffe8) >>> 4], [3, 3]);
  assertEquals(kit.read32(GICD + 4) & 31, 7); // 256 INTIDs
  assertEquals(kit.read32(GICD), 0x50);
  kit.write32(GICD, 0xffff_ffff);
  assertEquals(kit.read32(GICD), 0x53);
  const typers = [0, 1, 2].map((v) => kit.read64(gicr(v) + 8));
  assertEquals(typers, [0n, 1n << 32n | 1n << 8n, 2n << 32n | 2n << 8n | 1n << 4n]);
  assertEquals(kit.read32(gicr(1) + 12), 1);
  assertEquals(kit.read32(gicr(0)), 0);
});

Deno.test("gicv3: identification registers of every frame", async () => {
  const { kit } = await machine(1);
  for (const [frame, part] of [[GICD, 0x92], [gicr(0), 0x93], [gicr(0) + SGI_BASE, 0x93]]) {
    const bytes = Array.from({ length: 12 }, (_, n) => kit.read32(frame + 0xffd0 + 4 * n));
    assertEquals(bytes, [0x44, 0, 0, 0, part, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1]);
  }
});

Deno.test("gicv3: WAKER: ChildrenAsleep follows ProcessorSleep, and a sleeper gets nothing", async () => {
  const kit = await enabled();
  assertEquals(kit.read32(gicr(0) + 0x14), 0);
  kit.write32(gicr(0) + 0x14, 2);
  assertEquals(kit.read32(gicr(0) + 0x14), 6);
  kit.write32(gicr(0) + SGI_BASE + 0x200, 1);
  assertEquals(listed(kit, 0), [0, 0]);
  kit.write32(gicr(0) + 0x14, 0);
  assertEquals([kit.read32(gicr(0) + 0x14), ...listed(kit, 0)], [0, 0, 1]);
});

const bits: [name: string, set: number, clear: number][] = [["ENABLER", 0x100, 0x180], ["PENDR", 0x200, 0x280], ["ACTIVER", 0x300, 0x380]];
for (const [name, set, clear] of bits) {
  Deno.test(`gicv3: IS${name} sets, IC${name} clears, both read the same`, async () => {
    const { kit } = await machine();
    for (const at of [GICD + 4, gicr(1) + SGI_BASE]) {
      kit.write32(at + set, 0xf0f0);
      kit.write32(at + set, 0x000f);
      kit.write32(at + clear, 0x0030);
      assertEquals([kit.read32(at + set), kit.read32(at + clear)], [0xf0cf, 0xf0cf]);
    }
    // Private ones aren't the distributor's, nor another redistributor's.
    assertEquals([kit.read32(GICD + set), kit.read32(gicr(0) + SGI_BASE + set)], [0, 0]);
  });
}

Deno.test("gicv3: priorities by byte and word, five bits of them", async () => {
  const { kit } = await machine();
  kit.write32(GICD + 0x420, 0xa7a0_ff08);
  assertEquals(kit.read32(GICD + 0x420), 0xa0a0_f808);
  kit.write8(GICD + 0x421, 0x10);
  kit.write16(GICD + 0x422, 0x2018); // there are no halves
  assertEquals(kit.read32(GICD + 0x420), 0xa0a0_1008);
  assertEquals([kit.read8(GICD + 0x423), kit.read16(GICD + 0x420)], [0xa0, 0]);
  kit.write8(gicr(1) + SGI_BASE + 0x41f, 0xf0);
  assertEquals(kit.read32(gicr(1) + SGI_BASE + 0x41c), 0xf000_0000);
  kit.write32(GICD + 0x400, 0xffff_ffff);
  assertEquals(kit.read32(GICD + 0x400), 0);
});

Deno.test("gicv3: configuration: SPIs choose, SGIs are edges, PPIs levels", async () => {
  const { kit } = await machine();
  kit.write32(GICD + 0xc0c, 0xffff_fffe);
  assertEquals(kit.read32(GICD + 0xc0c), 0xaaaa_aaaa);
  kit.write32(GICD + 0xc0c, 0x8000_0001);
  assertEquals(kit.read32(GICD + 0xc0c), 0x8000_0000);
  kit.write32(gicr(0) + SGI_BASE + 0xc00, 0);
  kit.write32(gicr(0) + SGI_BASE + 0xc04, 0xffff_ffff);
  assertEquals([kit.read32(gicr(0) + SGI_BASE + 0xc00), kit.read32(gicr(0) + SGI_BASE + 0xc04)], [0xaaaa_aaaa, 0]);
});

Deno.test("gicv3: level: what ICPENDR clears is the latch, not the line", async () => {
  const kit = await enabled();
  const line = kit.get(Interrupts).spi(33);
  kit.write32(GICD + 0x204, 2);
  line.set(true);
  kit.write32(GICD + 0x284, 2);
  assertEquals([kit.read32(GICD + 0x204), ...listed(kit, 0)], [2, 33, 1]);
  line.set(false);
  assertEquals([kit.read32(GICD + 0x204), ...listed(kit, 0)], [0, 0, 0]);
  kit.write32(GICD + 0x204, 2);
  assertEquals(listed(kit, 0), [33, 1]);
});

Deno.test("gicv3: enable, priority, group and the distributor's own enables reach what is pending", async () => {
  const kit = await enabled();
  kit.get(Interrupts).spi(40).set(true);
  const lr = () => kit.state(0).read("ICH_LR0_EL2");
  assertEquals(lr() >> 48n, 0x5000n);
  kit.write8(GICD + 0x428, 0x60);
  assertEquals(lr() >> 48n, 0x5060n);
  kit.write32(GICD + 0x84, 0);
  assertEquals(lr() >> 48n, 0x4060n);
  kit.write32(GICD, 2);
  assertEquals(lr(), 0n);
  kit.write32(GICD, 1);
  assertEquals(lr() >> 62n, 1n);
  kit.write32(GICD + 0x184, 1 << 8);
  assertEquals(lr(), 0n);
});

Deno.test("gicv3: IROUTER: 64 bits or halves, exact affinities, nobody, anybody", async () => {
  const kit = await enabled(3);
  kit.get(Interrupts).spi(33).set(true);
  const router = GICD + 0x6100 + 8;
  assertEquals(listed(kit, 0), [33, 1]);
  kit.write64(router, 2n);
  assertEquals([listed(kit, 0), listed(kit, 2)], [[0, 0], [33, 1]]);
  kit.write32(router, 1);
  assertEquals([listed(kit, 2), listed(kit, 1)], [[0, 0], [33, 1]]);
  kit.write32(router + 4, 1); // Aff3: nobody's
  assertEquals([listed(kit, 1), kit.read64(router)], [[0, 0], 1n << 32n | 1n]);
  kit.vcpu(0).stop();
  kit.write64(router, 0x8000_0000n, 1);
  assertEquals([listed(kit, 1), kit.read64(router, 1)], [[33, 1], 0x8000_0000n]);
  kit.write64(router, 2n ** 64n - 1n);
  assertEquals(kit.read64(router), 0xff_80ff_ffffn);
});

const sgis: [name: string, value: bigint, reached: number[]][] = [
  ["by list", 5n << 24n | 0b101n, [0, 2]],
  ["to itself", 5n << 24n | 0b010n, [1]],
  ["to all others", 5n << 24n | 1n << 40n, [0, 2]],
  ["to another cluster", 5n << 24n | 1n << 16n | 1n, []],
  ["Aff2 counts", 5n << 24n | 1n << 32n | 1n, []],
  ["Aff3 counts", 5n << 24n | 1n << 48n | 1n, []],
  ["range selector: Aff0 from 16", 5n << 24n | 1n << 44n | 0xffffn, []],
];
for (const [name, value, reached] of sgis) {
  Deno.test(`gicv3: SGI ${name}`, async () => {
    const kit = await enabled(3);
    kit.msr("ICC_SGI1R_EL1", value, 1);
    assertEquals([0, 1, 2].filter((v) => listed(kit, v)[1] === 1 && listed(kit, v)[0] === 5), reached);
  });
}

Deno.test("gicv3: an SGI to a vCPU that is off, or whose redistributor sleeps, waits for it and wakes nobody", async () => {
  const two = await enabled(2);
  two.vcpu(1).stop();
  two.msr("ICC_SGI1R_EL1", 5n << 24n | 2n, 0);
  assertEquals([two.vcpu(1).power, two.read32(gicr(1) + SGI_BASE + 0x200)], ["off", 1 << 5]);
  two.vcpu(1).start(0x4000_0000n, 0n);
  assertEquals(listed(two, 1), [5, 1]);
  two.write32(gicr(1) + 0x14, 2);
  two.vcpu(1).block();
  two.msr("ICC_SGI1R_EL1", 6n << 24n | 2n, 0);
  assertEquals([two.vcpu(1).power, ...listed(two, 1)], ["blocked", 0, 0]);
  two.state(1).pending = true;
  two.write32(gicr(1) + 0x14, 0);
  assertEquals([two.vcpu(1).power, ...listed(two, 1)], ["runnable", 5, 1]);
});

Deno.test("gicv3: 64 vCPUs in clusters of 16: affinities, the last redistributor, SGIs and routes by cluster", async () => {
  const kit = await enabled(64);
  for (const v of [0, 15, 16, 17, 63]) {
    const affinity = BigInt(v >> 4) << 8n | BigInt(v & 15);
    assertEquals(kit.read64(gicr(v) + 8), affinity << 32n | BigInt(v) << 8n | (v === 63 ? 16n : 0n));
  }
  const holding = (intid: number) => kit.domain.vcpus.map(({ index }) => index).filter((v) => listed(kit, v)[0] === intid);
  kit.msr("ICC_SGI1R_EL1", 5n << 24n | 2n << 16n | 0x8001n, 3);
  assertEquals(holding(5), [32, 47]);
  kit.write64(GICD + 0x6100 + 8, 0x30fn);
  kit.get(Interrupts).spi(33).set(true);
  assertEquals(holding(33), [63]);
  kit.msr("ICC_SGI1R_EL1", 0n << 24n | 1n << 40n, 63);
  assertEquals(holding(0).length, 63);
});

Deno.test("gicv3: more list registers than the CPU has are refused, at the option", async () => {
  const kit = bench({ interrupts: false });
  kit.state(0).write("ICH_VTR_EL2", 0x9000_0003n);
  const error = await assertRejects(
    () => kit.attach(gicv3, { distributor: GICD, redistributors: GICR, spis: 224, list_registers: 5 }),
    Error,
    "the CPU has 4 list registers",
  );
  assertEquals(gicv3.options.list_registers.min, 1);
  assertEquals((error as { option?: string }).option, "list_registers");
});

Deno.test("gicv3: SGI0R and ASGI1R reach SGIs of group 0 only", async () => {
  const kit = await enabled(1);
  kit.msr("ICC_SGI0R_EL1", 3n << 24n | 1n);
  kit.msr("ICC_ASGI1R_EL1", 3n << 24n | 1n);
  assertEquals(listed(kit, 0), [0, 0]);
  kit.write32(gicr(0) + SGI_BASE + 0x80, 0xffff_fff7);
  kit.msr("ICC_SGI0R_EL1", 3n << 24n | 1n);
  assertEquals(listed(kit, 0), [3, 1]);
});

Deno.test("gicv3: message-based SPIs", async () => {
  const kit = await enabled(1);
  kit.write32(GICD + 0xc0c, 2 << 2 * 8);
  kit.write32(GICD + 0x40, 56);
  assertEquals(listed(kit, 0), [56, 1]);
  kit.write32(GICD + 0x48, 56);
  assertEquals(listed(kit, 0), [0, 0]);
  for (const intid of [0, 31, 256, 1023, 0xffff_ffff]) kit.write32(GICD + 0x40, intid);
  assertEquals(listed(kit, 0), [0, 0]);
});

Deno.test("gicv3: an interrupt wakes a vCPU that waits, and names of taken inputs are refused", async () => {
  const kit = await enabled(2);
  kit.vcpu(1).block();
  kit.state(1).pending = true;
  kit.get(Interrupts).ppi(1, 27).set(true);
  assertEquals([kit.vcpu(1).power, ...listed(kit, 1)], ["runnable", 27, 1]);
  const interrupts = kit.get(Interrupts);
  assertThrows(() => interrupts.ppi(1, 27), RangeError, "taken");
  interrupts.ppi(0, 27);
  for (const intid of [31, 256, 1020, -1, 33.5]) assertThrows(() => interrupts.spi(intid), RangeError);
  for (const intid of [15, 32]) assertThrows(() => interrupts.ppi(0, intid), RangeError);
  assertThrows(() => interrupts.ppi(2, 27), RangeError);
});

Deno.test("gicv3: every offset of every frame answers at every width, whatever is written", async () => {
  const { kit, state } = await machine(2);
  const claims = kit.scope.claims;
  for (const [at, size] of [[GICD, 0x1_0000], [GICR, 0x4_0000]]) {
    const { handler } = claims.window(at)!.value;
    for (let offset = 0; offset < size; offset++) {
      // Registers repeat in words of 128; the rest is sampled.
      if (offset % 0x2_0000 > 0x1000 && offset % 0x80 > 12 && (offset & 0xffff) < 0xff80) continue;
      for (const width of [1, 2, 4, 8]) {
        if (offset + width > size) continue;
        const all = 2n ** BigInt(8 * width) - 1n;
        for (const value of [all, 0n, 0x8000_0002_8000_0001n & all]) handler.write(offset, width, value, kit.vcpu(0));
        const value = BigInt(handler.read(offset, width, kit.vcpu(0)));
        assert(value >= 0n && value <= all, `${at + offset} ${width}: ${value}`);
        if (offset % width !== 0) assertEquals(value, 0n);
      }
    }
  }
  assertEquals(structuredClone(state), state);
});

Deno.test("gicv3: declares windows and its node for the domain's vCPUs, nothing without a domain", () => {
  const kit = bench({ vcpus: 3 });
  const options = { distributor: GICD, redistributors: GICR, spis: 224 };
  const { windows, deviceTree } = gicv3.resources!(options, { board: kit.board, domain: kit.board.domains[0] });
  assertEquals(windows!.map(({ at, size }) => [at, size]), [[GICD, 0x1_0000], [GICR, 0x6_0000]]);
  assertEquals(deviceTree![0].nodes![0].label, "gic");
  assertEquals(gicv3.resources!(options, { board: kit.board }), {});
});
