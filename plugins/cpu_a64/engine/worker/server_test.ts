/** A CPU's thread and what it shares, without a thread: runs, failures, the log of maintenance. */
import { assert, assertEquals } from "@std/assert";
import type { Exit } from "../../../../core/mod.ts";
import type { Cpu } from "../cpu.ts";
import { FaultLoop } from "../fault_loop.ts";
import { STATE_SIZE } from "../../state.ts";
import { Control, exitKinds, type LogEntry, LogKind, OVERRUN, Own, Shared, State } from "./control.ts";
import { Server } from "./server.ts";
import { SharedNeighbours } from "./shared_neighbours.ts";

/** A CPU that does what it is told in place of running, and notes what it is to forget. */
function server(run: (cpu: { lastRetired: number; counter: { writes: number } }) => Exit) {
  const control = new Control(2, new Int32Array(32));
  const forgot: string[] = [];
  const neighbours = new SharedNeighbours(control, 1, new Int32Array(16), 0x1_0000, 0x1_0040);
  const cpu = {
    lastRetired: 0,
    counter: { writes: 0 },
    occupancy: { adopt: (number: number, retired: number) => forgot.push(`adopts ${number}, ${retired}`) },
    exceptions: { loop: new FaultLoop({ words: new Uint32Array(STATE_SIZE / 4), base: 0 }) },
    retiredNow: () => cpu.lastRetired,
    run: () => {
      // One run, and it is over.
      control.set(1, Own.STATE, State.quit);
      return run(cpu);
    },
    tlb: { invalidate: () => forgot.push("tlb") },
    mmu: { invalidateStage2: (vmid?: number) => forgot.push(`stage 2 of ${vmid}`) },
    code: { drop: (host: number) => forgot.push(`code at ${host}`), dropAll: () => forgot.push("code") },
  };
  neighbours.cpu = cpu as unknown as Cpu;
  control.words[Shared.LIMIT] = 1000;
  control.set(1, Own.POSITION, 100);
  control.set(1, Own.VCPU, 7);
  control.floats[control.own(1, Own.BEFORE) / 2] = 2 ** 40;
  const serve = () => {
    control.set(1, Own.STATE, State.run);
    new Server(control, 1, neighbours).serve(cpu as unknown as Cpu);
  };
  return { control, neighbours, forgot, serve };
}

Deno.test("a run says how it ended, how far it came, and whether timers changed", () => {
  const { control, forgot, serve } = server((cpu) => {
    cpu.lastRetired = 42;
    cpu.counter.writes += 3;
    return { kind: "fault-loop", detail: "round and round", origin: { pc: 0x4000_0000n, esr: 0x0200_0000n } };
  });
  serve();
  assertEquals(forgot, [`adopts 7, ${2 ** 40}`]);
  assertEquals(exitKinds[control.get(1, Own.EXIT)], "fault-loop");
  assertEquals(control.text(1), "round and round");
  assertEquals([control.get(1, Own.RETIRED), control.get(1, Own.POSITION), control.get(1, Own.TIMER_WRITES)], [42, 142, 3]);
  assertEquals(control.get(1, Own.IN_GUEST), 0);
  assertEquals(control.words[Shared.DOORBELL], 1);
});

Deno.test("an engine that throws is reported with its stack", () => {
  const { control, serve } = server(() => {
    throw new Error("a mistake of ours");
  });
  serve();
  assertEquals(exitKinds[control.get(1, Own.EXIT)], "failed");
  assert(control.text(1).includes("a mistake of ours") && control.text(1).includes("server_test.ts"), control.text(1));
});

Deno.test("the log is read before guest code executes; who was away for too long forgets everything", () => {
  const { control, neighbours, forgot } = server(() => ({ kind: "budget" }));
  control.log(LogKind.code, 5);
  control.log(LogKind.vmid, 3);
  const end = control.log(LogKind.vcpu, 2);
  assertEquals(neighbours.look(500, 10), 500);
  assertEquals(forgot.splice(0), [`code at ${5 * 4096}`, "stage 2 of 3", "tlb", "tlb"]);
  assertEquals([control.get(1, Own.SEEN), control.get(1, Own.POSITION)], [end, 10]);
  for (let n = 0; n < 2000; n++) control.log(LogKind.vcpu, 2);
  neighbours.catchUp();
  assertEquals(forgot.splice(0), ["stage 2 of undefined", "tlb", "code"]);
  neighbours.catchUp();
  assertEquals(forgot, []);
});

Deno.test("a CPU ends its run where it is wanted back, and where the round has its limit", () => {
  const { control, neighbours } = server(() => ({ kind: "budget" }));
  neighbours.started = 100;
  assertEquals(neighbours.look(5000, 100), 800);
  assert(neighbours.look(5000, 900) <= 0);
  control.words[Shared.LIMIT] = 1_000_000;
  assertEquals(neighbours.look(500_000, 900), 20_000, "looks follow each other");
  control.set(1, Own.KICK, 1);
  assertEquals(neighbours.look(5000, 900), 0);
});

Deno.test("whoever has something for a CPU takes its calm away, until it looks", () => {
  const { control, neighbours } = server(() => ({ kind: "budget" }));
  neighbours.started = 100;
  assert(neighbours.isCalm);
  const causes: Readonly<Record<string, () => void>> = {
    "an entry of the log": () => control.log(LogKind.vcpu, 2),
    "it is wanted back": () => control.kick(1),
    "the round ends sooner": () => control.limit = 900,
  };
  for (const [name, cause] of Object.entries(causes)) {
    cause();
    assert(!neighbours.isCalm, name);
    neighbours.look(5000, 100);
    assert(neighbours.isCalm, name);
  }
  control.kick(0);
  control.limit = 1000;
  assert(neighbours.isCalm, "what is for others, and a round that ends later");
});

Deno.test("looks are far from each other where compiled code asks in between, but not while somebody waits", () => {
  const { control, neighbours } = server(() => ({ kind: "budget" }));
  control.limit = 10_000_000;
  const look = () => neighbours.look(1_000_000, 0);
  assertEquals(look(), 20_000);
  Object.assign(neighbours.cpu, { tier1: { hotness: {} } });
  assertEquals([look(), look(), look(), look()], [40_000, 80_000, 100_000, 100_000]);
  control.log(LogKind.vcpu, 2);
  assertEquals([look(), look(), look()], [1000, 2000, 4000]);
});

Deno.test("the log says what was lost, also where its numbers wrap", () => {
  const control = new Control(1, new Int32Array(16));
  const seen: LogEntry[] = [];
  control.words[Shared.LOG_HEAD] = 0x7fff_fffe;
  for (let n = 0; n < 4; n++) control.log(LogKind.code, n);
  assertEquals(control.readLog(0x7fff_fffe, (entry) => seen.push(entry)), -0x7fff_fffe);
  assertEquals(seen.map(({ a }) => a), [0, 1, 2, 3]);
  assertEquals(control.readLog(0x7fff_f000, () => {}), OVERRUN);
});

Deno.test("time is that of the CPU that is farthest", () => {
  const control = new Control(2, new Int32Array(32));
  control.floats[Shared.ROUND_NS / 2] = 1e15;
  control.floats[Shared.NS_PER_INSTRUCTION / 2] = 2;
  control.set(0, Own.POSITION, 30);
  control.set(1, Own.POSITION, 700);
  assertEquals(control.nowNs, 1e15 + 1400);
});

Deno.test("code is dropped on others only where they hold it", () => {
  const { control, neighbours } = server(() => ({ kind: "budget" }));
  neighbours.holdsCode(3, true);
  neighbours.codeInvalidated(3);
  assertEquals(control.logHead, 0, "its own");
  Atomics.or(neighbours.frames, 3, 1);
  neighbours.codeInvalidated(3);
  assertEquals(control.logHead, 1);
  neighbours.holdsCode(3, false);
  assertEquals(neighbours.frames[3], 1);
});
