import { assert, assertEquals } from "@std/assert";
import type { Stop, VcpuState } from "../../../core/mod.ts";
import type { A64Engine } from "./engine.ts";
import { BASE, programMachine } from "./tests/program_machine.ts";
import type { Tier1Mode } from "./tier1/tier1.ts";

/** Programs run at EL1 with the MMU off, and end with an HVC. */
const NEXT_PAGE = BASE + 0x1000;
const DATA = BASE + 0x5000;
const HVC = 0xd4000002, ADD_X0 = 0x91000400, B_NEXT_PAGE = 0x14000400;
const SUBS_X1 = 0xf1000421, BNE_BACK_2 = 0x54ffffc1; // subs x1, x1, #1; b.ne to two instructions before
const STR_X0 = 0xf9000040, LDR_X3 = 0xf9400043, LDXR_X3 = 0xc85f7c43, STXR_W4 = 0xc8047c40; // [x2]
const MODES: readonly Tier1Mode[] = ["off", "on", "force"];

function machine(words: readonly number[], tier1: Tier1Mode) {
  const { engine, ram } = programMachine({ [BASE]: words, [NEXT_PAGE]: [ADD_X0, ADD_X0, HVC] }, tier1);
  const create = (number: number) => {
    const vcpu = engine.createVcpu({ mpidr: BigInt(number) });
    vcpu.write("HCR_EL2", 1n << 31n);
    vcpu.pstate = 0x3c5n;
    vcpu.pc = BigInt(BASE);
    vcpu.setX(2, BigInt(DATA));
    return vcpu;
  };
  return { engine, ram, vcpu: create(0), create };
}

const run = (engine: A64Engine, vcpu: VcpuState, options: { budget?: number; stopAfter?: number } = {}) =>
  engine.run(vcpu, { budget: 100_000, startNs: 0, nsPerInstruction: 1, ...options });
const at = (address: number, on: Stop["on"] = "execute", size = 4, space: Stop["space"] = "virtual"): Stop => ({
  on,
  space,
  address: BigInt(address),
  size,
});
/** What a run came back with: kind, offset of the PC, of the data. */
const outcome = (exit: ReturnType<typeof run>) =>
  exit.kind === "breakpoint"
    ? [exit.stop?.on ?? "counted", Number(exit.pc) - BASE, Number(exit.address ?? BigInt(DATA)) - DATA]
    : [exit.kind];

for (const mode of MODES) {
  Deno.test(`tier 1 ${mode}: a breakpoint stops before its instruction, and the next run goes on over it`, () => {
    for (const space of ["virtual", "physical"] as const) {
      const { engine, vcpu } = machine([ADD_X0, ADD_X0, ADD_X0, B_NEXT_PAGE - 3], mode);
      engine.setStops([{ stop: at(BASE + 8, "execute", 4, space) }, { stop: at(NEXT_PAGE + 4, "execute", 4, space) }]);
      assertEquals(outcome(run(engine, vcpu)), ["execute", 8, 0]);
      assertEquals([vcpu.x(0), vcpu.retired], [2n, 2]);
      assertEquals(outcome(run(engine, vcpu)), ["execute", 0x1004, 0]);
      assertEquals([vcpu.x(0), vcpu.retired], [4n, 5]);
      assertEquals(run(engine, vcpu).kind, "exception");
      assertEquals([vcpu.x(0), vcpu.retired], [5n, 7]);
    }
  });

  Deno.test(`tier 1 ${mode}: a breakpoint in a loop stops each time round, whenever it is set, and nowhere when it is gone`, () => {
    const { engine, vcpu } = machine([ADD_X0, SUBS_X1, BNE_BACK_2, HVC], mode);
    vcpu.setX(1, 10_000n);
    assertEquals(run(engine, vcpu, { budget: 3000 }).kind, "budget");
    engine.setStops([{ stop: at(BASE + 4) }]);
    for (let n = 1001n; n < 1100n; n++) {
      assertEquals(outcome(run(engine, vcpu)), ["execute", 4, 0]);
      assertEquals(vcpu.x(0), n);
    }
    engine.setStops([{ stop: at(BASE + 0x20) }]);
    assertEquals(run(engine, vcpu, { budget: 3000 }).kind, "budget");
    engine.setStops([]);
    assertEquals(run(engine, vcpu).kind, "exception");
    assertEquals([vcpu.x(0), vcpu.retired], [10_000n, 30_001]);
  });

  Deno.test(`tier 1 ${mode}: a watchpoint stops before the access that it is for`, () => {
    const cases: [Stop, unknown[]][] = [
      [at(DATA, "write", 8), ["write", 4, 0]],
      [at(DATA + 4, "write", 1), ["write", 4, 4]],
      [at(DATA + 4, "write", 1, "physical"), ["write", 4, 4]],
      [at(DATA + 2, "read", 2), ["read", 8, 2]],
      [at(DATA + 2, "access", 2), ["access", 4, 2]],
      [at(DATA + 8, "access", 8), ["exception"]],
      [at(DATA + 8, "access", 8, "physical"), ["exception"]],
    ];
    for (const [stop, expected] of cases) {
      for (const early of [true, false]) {
        const { engine, vcpu, ram } = machine([ADD_X0, STR_X0, LDR_X3, HVC], mode);
        if (early) engine.setStops([{ stop }]);
        assertEquals(
          run(engine, vcpu, { budget: early ? 100 : 1 }).kind,
          early && expected.length > 1 ? "breakpoint" : early ? "exception" : "budget",
        );
        if (!early) engine.setStops([{ stop }]);
        else vcpu.pc = BigInt(BASE), vcpu.setX(0, 0n), vcpu.setX(3, 0n), ram.write64(DATA, 0n), run(engine, vcpu, { budget: 1 });
        const exit = run(engine, vcpu);
        assertEquals(outcome(exit), expected);
        if (exit.kind !== "breakpoint") continue;
        assertEquals([ram.read64(DATA), vcpu.x(3)], [exit.pc === BigInt(BASE + 4) ? 0n : 1n, 0n], "not made yet");
        const next = run(engine, vcpu);
        const both = stop.on === "access";
        assertEquals(outcome(next), both ? ["access", 8, 2] : ["exception"]);
        if (both) assertEquals(run(engine, vcpu).kind, "exception");
        assertEquals([ram.read64(DATA), vcpu.x(3)], [1n, 1n]);
      }
    }
  });

  Deno.test(`tier 1 ${mode}: what the guest does is the same with stops and without, to the instruction`, () => {
    const program = [ADD_X0, STR_X0, LDXR_X3, STXR_W4, 0x0b040005 | 5 << 5, /* add w5, w5, w4 */ SUBS_X1, 0x54ffff41, HVC];
    const through = (stops: readonly Stop[], stopAfter?: number) => {
      const { engine, vcpu, ram } = machine(program, mode);
      vcpu.setX(1, 500n);
      engine.setStops(stops.map((stop) => ({ stop })));
      let stopped = 0;
      for (let left = 5000; left > 0;) {
        const exit = run(engine, vcpu, { budget: left, stopAfter: stopAfter !== undefined && stopAfter < left ? stopAfter : undefined });
        left -= engine.lastRetired;
        if (exit.kind === "breakpoint") stopped++;
        else assertEquals([exit.kind, left], ["exception", 5000 - 3501]);
        if (exit.kind === "exception") break;
      }
      return { stopped, state: [0, 1, 3, 4, 5].map((n) => vcpu.x(n)), retired: vcpu.retired, memory: ram.read64(DATA) };
    };
    const { stopped, ...plain } = through([]);
    assertEquals([stopped, plain.state[4]], [0, 0n], "every store-exclusive succeeds");
    for (
      const [stops, stopAfter, most] of [
        [[at(BASE + 12)], undefined, 500],
        [[at(BASE + 8), at(BASE + 0x18)], undefined, 1000],
        [[at(DATA, "access", 8)], undefined, 1500],
        [[at(DATA + 3, "write", 1), at(BASE)], undefined, 1500],
        [[], 1, 3501],
        [[], 7, 501],
      ] as const
    ) {
      const { stopped, ...state } = through(stops, stopAfter);
      assertEquals(state, plain);
      assert(stopped >= most - 2 && stopped <= most, `${stopped} stops, not ${most}`);
    }
  });

  Deno.test(`tier 1 ${mode}: a stop for one vCPU doesn't stop another in the same code`, () => {
    const { engine, vcpu, create } = machine([ADD_X0, ADD_X0, STR_X0, HVC], mode);
    const other = create(1);
    engine.setStops([{ stop: at(BASE + 4), vcpus: [other] }, { stop: at(DATA, "write", 8), vcpus: [other] }]);
    assertEquals(run(engine, vcpu).kind, "exception");
    assertEquals(outcome(run(engine, other)), ["execute", 4, 0]);
    assertEquals(outcome(run(engine, other)), ["write", 8, 0]);
    assertEquals(run(engine, other).kind, "exception");
    assertEquals([vcpu.x(0), other.x(0)], [2n, 2n]);
  });
}
