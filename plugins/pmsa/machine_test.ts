/** MPU guests on the CPU engine: time-sliced, each with its own MPUs, and what happens to an access that isn't theirs. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { definePlugin, Machine, SchedulerPolicy } from "../../core/mod.ts";
import type { Board, DomainSpec, Plugin, PluginUse } from "../../core/mod.ts";
import { roundRobin, uses } from "../../core/testing.ts";
import { cpuA64 } from "../cpu_a64/mod.ts";
import { pmsa } from "./mod.ts";
import { pmsaDomain } from "./domain.ts";
import { Guest } from "./tests/guest.ts";

const MIB = 2 ** 20;
const A = 0x4000_0000, B = 0x4100_0000;

/** What the guests told by HVC: X0 and up. */
interface Told {
  readonly domain: string;
  readonly x: readonly bigint[];
}

/** A data abort that came to EL2. */
interface Abort {
  readonly domain: string;
  readonly esr: bigint;
  readonly far: bigint;
  readonly ipa: bigint;
}

interface Setup {
  readonly domains: readonly (Pick<DomainSpec, "name" | "memory"> & { readonly code: Guest; readonly el1?: "pmsa" | "vmsa" })[];
  readonly regions?: number;
  readonly model?: string;
  readonly pmsaOptions?: Record<string, unknown>;
}

/** Runs until each guest called, and returns what they said. */
async function run({ domains, regions = 32, model = "cortex-r82", pmsaOptions = {} }: Setup) {
  const told: Told[] = [], aborts: Abort[] = [], slices = new Map<string, number>();
  const policy = roundRobin();
  const test: Plugin = definePlugin({
    name: "test",
    doc: "Starts each domain, hears its HVC, and sees its aborts.",
    options: {},
    provides: [SchedulerPolicy],
    setup({ provide, exceptions, onRun }) {
      // 97 instructions at a time: slices end in the middle of everything.
      provide(SchedulerPolicy, {
        ...policy,
        decide: (...args) => {
          const { vcpu } = policy.decide(...args);
          return { vcpu, sliceNs: 97 };
        },
      });
      exceptions.claim(0x16, ({ vcpu }) => {
        told.push({ domain: vcpu.domain.name, x: Array.from({ length: 8 }, (_, n) => vcpu.state.x(n)) });
        vcpu.domain.end({ kind: "power-off" });
        return "stopped";
      });
      onRun({
        exit({ domain, state }) {
          slices.set(domain.name, (slices.get(domain.name) ?? 0) + 1);
          const esr = state.read("ESR_EL2");
          if (esr >> 26n !== 0x24n) return;
          aborts.push({ domain: domain.name, esr, far: state.read("FAR_EL2"), ipa: state.read("HPFAR_EL2") << 8n });
        },
      });
    },
    attach: ({ domain, onBoot }) =>
      onBoot(() => {
        const { code, memory } = domains.find(({ name }) => name === domain.name)!;
        domain.writeMemory(memory[0].at, code.bytes);
        domain.vcpus[0].start(BigInt(memory[0].at), 0n);
      }),
  });
  const withOptions = (plugin: Plugin, options: Record<string, unknown>): PluginUse => {
    const [use] = uses(plugin);
    return { ...use, options: { ...use.options, ...options } };
  };
  const board: Board = {
    name: "mpu",
    doc: "",
    file: "mpu.yaml",
    seed: 1,
    time: "virtual",
    nsPerInstruction: 1,
    pcpus: 1,
    memory: [{ at: A, size: 64 * MIB }],
    plugins: [
      withOptions(cpuA64, { model, mpu_regions: { el1: 32, el2: regions } }),
      withOptions(pmsa, pmsaOptions),
      ...uses(test),
    ],
    domains: domains.map(({ name, memory, el1 }, index) => ({
      name,
      vcpus: 1,
      memory,
      plugins: el1 ? [{ plugin: pmsaDomain, options: { el1 }, path: ["domains", index, "plugins", 0] }] : [],
    })),
  };
  const machine = await Machine.create(board, { images: new Map(), onSerial: () => {} });
  try {
    const stop = machine.runFor(20_000_000, 20_000);
    return { told, aborts, slices, stop };
  } finally {
    machine.dispose();
  }
}

/** Writes all of its 32 regions through the selector, over and over, and counts in X0 the words that don't read back. */
function programsItsMpu(seed: number): Guest {
  const guest = new Guest();
  guest.constant(0, 0);
  guest.mrs(1, "MPUIR_EL1");
  guest.constant(9, 200);
  const round = guest.here;
  guest.constant(2, 0);
  guest.constant(3, seed);
  const write = guest.here;
  guest.msr("PRSELR_EL1", 2);
  guest.msr("PRBAR_EL1", 3);
  guest.msr("PRLAR_EL1", 3);
  guest.add(3, 3, 0x1000);
  guest.add(2, 2, 1);
  guest.subtract(4, 2, 32);
  guest.branchIfNotEqual(write);
  guest.constant(2, 0);
  guest.constant(3, seed);
  const check = guest.here;
  guest.msr("PRSELR_EL1", 2);
  guest.mrs(5, "PRBAR_EL1");
  guest.eor(5, 5, 3);
  guest.orr(0, 0, 5);
  guest.mrs(5, "PRLAR_EL1");
  guest.eor(5, 5, 3);
  guest.orr(0, 0, 5);
  guest.mrs(5, "PRSELR_EL1");
  guest.eor(5, 5, 2);
  guest.orr(0, 0, 5);
  guest.add(3, 3, 0x1000);
  guest.add(2, 2, 1);
  guest.subtract(4, 2, 32);
  guest.branchIfNotEqual(check);
  guest.subtract(9, 9, 1);
  guest.branchIfNotEqual(round);
  guest.hvc();
  return guest;
}

Deno.test("two guests that rewrite their MPUs all the time share one CPU: each reads back its own", async () => {
  const { told, slices } = await run({
    domains: [
      { name: "a", memory: [{ at: A, size: MIB }], code: programsItsMpu(0x1234_0000) },
      { name: "b", memory: [{ at: B, size: MIB }], code: programsItsMpu(0xabcd_0000) },
    ],
  });
  assertEquals(told.map(({ domain }) => domain).sort(), ["a", "b"]);
  for (const { x } of told) assertEquals([x[0], x[1]], [0n, 32n]);
  assert(slices.get("a")! > 1000 && slices.get("b")! > 1000, "they took turns");
});

/** Puts its one region over its RAM, turns its MPU on, loads from its own memory, then from X10, then tells. Aborts come to VBAR_EL1, and tell as well. */
function looksAt(own: number, target: number, store: boolean): Guest {
  const guest = new Guest();
  guest.constant(1, own + 0x800);
  guest.msr("VBAR_EL1", 1);
  guest.constant(1, 0xff);
  guest.msr("MAIR_EL1", 1);
  guest.constant(1, 0);
  guest.msr("PRSELR_EL1", 1);
  // Everything, read-write at EL1 and executable, Normal: what it may touch is the EL2 MPU's to say.
  guest.constant(1, 0);
  guest.msr("PRBAR_EL1", 1);
  guest.constant(1, 0xffff_ffc1);
  guest.msr("PRLAR_EL1", 1);
  guest.constant(1, 0x30d0_0801);
  guest.msr("SCTLR_EL1", 1);
  guest.isb();
  guest.constant(1, own + 0x8000);
  guest.constant(2, 0x5a5a);
  guest.store(2, 1);
  guest.load(3, 1);
  guest.constant(10, target);
  guest.constant(4, 1);
  if (store) guest.store(2, 10);
  else guest.load(5, 10);
  guest.constant(4, 2);
  guest.hvc();
  // Current EL with SPx, synchronous: 0x200 into the vectors.
  while (guest.here < 0xa00) guest.nop();
  guest.hvc();
  guest.halt();
  return guest;
}

for (
  const [what, target, store, dfsc] of [
    ["another domain's RAM", B, false, 0b000100n],
    ["another domain's RAM, by a store", B + 0x8000, true, 0b000100n],
    ["the hypervisor's data", A + 64 * MIB - 0x8_0000 + 0x5_1000, false, 0b001100n],
    ["the hypervisor's text", A + 64 * MIB - 0x8_0000, true, 0b001100n],
    ["what booting needed", A + 64 * MIB - 0x8_0000 + 0x6_0000, false, 0b000100n],
    ["RAM that nobody has", A + 40 * MIB, false, 0b000100n],
    ["the byte after its own", A + MIB, false, 0b000100n],
  ] as const
) {
  Deno.test(`a guest that reaches for ${what} gets an abort, and EL2 the syndrome`, async () => {
    const { told, aborts } = await run({
      domains: [
        { name: "a", memory: [{ at: A, size: MIB }], code: looksAt(A, target, store) },
        { name: "b", memory: [{ at: B, size: MIB }], code: looksAt(B, B + 0x100, false) },
      ],
    });
    const a = told.find(({ domain }) => domain === "a")!, b = told.find(({ domain }) => domain === "b")!;
    assertEquals([a.x[3], a.x[4]], [0x5a5an, 1n], "it came to the access and not past it");
    assertEquals([b.x[3], b.x[4]], [0x5a5an, 2n], "the other one isn't concerned");
    const [abort] = aborts;
    assertEquals(abort.domain, "a");
    assertEquals(abort.esr & 0x3fn, dfsc, "translation or permission fault, level 0");
    assertEquals([abort.esr >> 24n & 1n, abort.esr >> 6n & 1n], [1n, store ? 1n : 0n], "ISV, WnR");
    assertEquals([abort.far, abort.ipa], [BigInt(target), BigInt(target - target % 4096)]);
  });
}

Deno.test("a guest of more than 32 regions beside one of a single region, in an MPU of 255", async () => {
  // Banks with gaps: a region each.
  const banks = Array.from({ length: 100 }, (_, n) => ({ at: A + n * 0x2_0000, size: 0x1_0000 }));
  for (
    const [target, x4] of [[banks[99].at, 2n], [banks[99].at + 0x1_0000, 1n], [B, 1n], [banks[31].at, 2n], [banks[40].at, 2n]] as const
  ) {
    const { told } = await run({
      regions: 255,
      domains: [
        { name: "a", memory: banks, code: looksAt(A, target, false) },
        { name: "b", memory: [{ at: B, size: MIB }], code: looksAt(B, banks[50].at, false) },
      ],
    });
    assertEquals(told.map(({ domain, x }) => [domain, x[4]]).sort(), [["a", x4], ["b", 1n]]);
  }
});

Deno.test("a guest that would have page tables beside one with an MPU: neither's EL1 is the other's, and the EL2 MPU lets each at its own", async () => {
  const mmu = new Guest();
  // Its MMU is off, as at its start: flat addresses, which the EL2 MPU checks.
  mmu.constant(1, B + 0x8000);
  mmu.constant(2, 0x77);
  mmu.store(2, 1);
  mmu.load(3, 1);
  mmu.hvc();
  const { told } = await run({
    domains: [
      { name: "a", memory: [{ at: A, size: MIB }], code: looksAt(A, A + 0x100, false) },
      { name: "b", memory: [{ at: B, size: MIB }], code: mmu, el1: "vmsa" },
    ],
  });
  assertEquals(told.find(({ domain }) => domain === "a")!.x[4], 2n);
  assertEquals(told.find(({ domain }) => domain === "b")!.x[3], 0x77n);
});

Deno.test("more regions than there are, an image that isn't in RAM, and a CPU without an MPU stop the board", async () => {
  const memory = Array.from({ length: 13 }, (_, n) => ({ at: A + n * 0x2_0000, size: 0x1_0000 }));
  const domains = [{ name: "a", memory, code: new Guest() }];
  await assertRejects(() => run({ regions: 16, domains }), Error, "13 MPU regions; the hypervisor has 4 of the 16");
  await assertRejects(() => run({ domains, pmsaOptions: { image_at: 0x1000 } }), Error, "isn't RAM");
  await assertRejects(() => run({ domains, model: "cortex-a57" }), Error, "the CPU has no MPU at EL2");
});
