/** Accesses that are answered later, and domains that pause. */
import { assertEquals } from "@std/assert";
import type { DomainContext } from "../plugin/context.ts";
import type { CpuEngine } from "../arch/cpu_engine.ts";
import type { MmioAnswer } from "../arch/exceptions.ts";
import { Machine } from "./machine.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { QUANTUM } from "../schedule/scheduling.ts";
import { bench, fakeBoard, startAll } from "../testing.ts";
import type { Bench, Step } from "../testing.ts";

const WINDOW = 0x1000_0000;
/** ISV, 4 bytes, X9, 64 bits wide; translation fault. */
const READ = 1 << 24 | 2 << 22 | 9 << 16 | 1 << 15 | 0b000111;
const WRITE = READ | 1 << 6;

interface Owner {
  readonly kit: Bench;
  /** What the handler says next; a number is the value. */
  answer: number | MmioAnswer;
  readonly seen: string[];
  trap(iss: number): string;
}

async function owner(): Promise<Owner> {
  const kit = bench({ vcpus: 2 });
  const own: Owner = {
    kit,
    answer: "later",
    seen: [],
    trap(iss) {
      kit.state().write("FAR_EL2", BigInt(WINDOW));
      kit.state().write("HPFAR_EL2", BigInt(WINDOW / 4096) << 4n);
      return kit.trap(0x24, iss);
    },
  };
  const handler = {
    read(offset: number): number | MmioAnswer {
      own.seen.push(`r${offset}`);
      return own.answer;
    },
    write(offset: number, _size: number, value: bigint): void | MmioAnswer {
      own.seen.push(`w${offset}=${value}`);
      return typeof own.answer === "string" ? own.answer : undefined;
    },
  };
  const attach = ({ exceptions }: DomainContext<unknown, unknown>) => exceptions.claimMmio(WINDOW, 0x1000, "registers", handler);
  await kit.attach(definePlugin({ name: "owner", doc: "", options: {}, attach }), {});
  kit.vcpu().start(0x8000n, 0n);
  return own;
}

Deno.test("a read that is answered later: no interrupt ends the wait, PC and register change with the answer", async () => {
  const own = await owner();
  const { kit } = own;
  kit.state().setX(9, 5n);
  assertEquals(own.trap(READ), "later");
  assertEquals([kit.vcpu().power, kit.state().pc, kit.state().x(9)], ["blocked", 0x8000n, 5n]);
  kit.state().pending = true;
  kit.vcpu().kick();
  kit.vcpu().unblock();
  assertEquals(kit.vcpu().power, "blocked");
  kit.vcpu().resumeAccess();
  kit.vcpu().resumeAccess();
  assertEquals([kit.vcpu().power, kit.vcpu().hasAnswer, kit.state().pc], ["runnable", true, 0x8000n]);
  own.answer = 0x1234;
  assertEquals(own.trap(READ), "run");
  assertEquals([kit.state().pc, kit.state().x(9), own.seen, kit.vcpu().hasAnswer], [0x8004n, 0x1234n, ["r0", "r0"], false]);
  kit.vcpu().resumeAccess();
  assertEquals(kit.vcpu().hasAnswer, false, "there is nothing to resume");
});

Deno.test("an answer for an address that is nobody's by then is an abort, and nothing waits any more", async () => {
  const ranges = new Set([WINDOW]);
  const kit = bench();
  const attach = ({ exceptions }: DomainContext<unknown, unknown>) =>
    exceptions.claimOtherMmio({ holds: (ipa) => ranges.has(ipa), read: () => "later" as const, write: () => "later" as const });
  await kit.attach(definePlugin({ name: "owner", doc: "", options: {}, attach }), {});
  kit.vcpu().start(0x8000n, 0n);
  kit.state().write("HPFAR_EL2", BigInt(WINDOW / 4096) << 4n);
  assertEquals(kit.trap(0x24, READ), "later");
  ranges.clear();
  kit.vcpu().resumeAccess();
  assertEquals(kit.trap(0x24, READ), "run");
  assertEquals([kit.vcpu().hasAnswer, kit.vcpu().isHeld, kit.state().injected.length], [false, false, 1]);
});

Deno.test("a write may be answered later as well, and more than once", async () => {
  const own = await owner();
  const { kit } = own;
  kit.state().setX(9, 7n);
  for (let n = 0; n < 3; n++) {
    assertEquals(own.trap(WRITE), "later");
    assertEquals(kit.vcpu().isHeld, true);
    kit.vcpu().resumeAccess();
  }
  own.answer = 0;
  assertEquals(own.trap(WRITE), "run");
  assertEquals([kit.state().pc, own.seen], [0x8004n, new Array(4).fill("w0=7")]);
});

Deno.test("the parts of a pair are answered one after the other, each once", async () => {
  const own = await owner();
  const { kit } = own;
  const parts = [4, 5].map((register) => ({ register, size: 8, signExtend: false, wide: true }));
  (kit.engine as CpuEngine).describeAccess = () => ({ write: false, transfers: parts, writeback: { register: 6, value: 99n } });
  const notValid = READ & ~(1 << 24);
  assertEquals(own.trap(notValid), "later");
  kit.vcpu().resumeAccess();
  own.answer = 1;
  // The second part has no answer yet.
  const { seen } = own;
  Object.defineProperty(own, "answer", { get: () => seen.at(-1) === "r0" ? 1 : "later", configurable: true });
  assertEquals(own.trap(notValid), "later");
  assertEquals([kit.state().x(4), kit.state().x(6), kit.state().pc], [0n, 0n, 0x8000n], "nothing is written before all of it is there");
  kit.vcpu().resumeAccess();
  Object.defineProperty(own, "answer", { value: 2 });
  assertEquals(own.trap(notValid), "run");
  assertEquals([kit.state().x(4), kit.state().x(5), kit.state().x(6), kit.state().pc], [1n, 2n, 99n, 0x8004n]);
  assertEquals(seen, ["r0", "r0", "r8", "r8"]);
});

Deno.test("a bus error is an external abort, at once or later", async () => {
  const own = await owner();
  const { kit } = own;
  for (const iss of [READ, WRITE]) {
    own.answer = "later";
    own.trap(iss);
    kit.vcpu().resumeAccess();
    own.answer = "bus_error";
    assertEquals(own.trap(iss), "run");
    assertEquals(kit.state().injected.pop(), {
      kind: "abort",
      access: iss === READ ? "read" : "write",
      va: BigInt(WINDOW),
      status: 0b010000,
    });
  }
});

Deno.test("power-off, another power-up and the domain's end drop an access that waits", async () => {
  const own = await owner();
  const { kit } = own;
  own.trap(READ);
  kit.vcpu().stop();
  kit.vcpu().resumeAccess();
  assertEquals([kit.vcpu().power, kit.vcpu().hasAnswer, kit.vcpu().isHeld], ["off", false, false]);
  kit.vcpu().start(0x9000n, 0n);
  assertEquals([kit.vcpu().power, kit.vcpu().hasAnswer], ["runnable", false]);
  own.trap(READ);
  kit.domain.end({ kind: "power-off" });
  kit.vcpu().resumeAccess();
  assertEquals([kit.vcpu().power, kit.vcpu().isHeld], ["off", false]);
  kit.close();
  assertEquals(kit.memory.usage().size, 0);
});

Deno.test("a domain that pauses as often as it goes on runs; what waits for an answer goes on waiting", async () => {
  const own = await owner();
  const { kit } = own;
  kit.domain.pause();
  kit.domain.pause();
  assertEquals(kit.vcpu().power, "blocked");
  kit.domain.unpause();
  assertEquals(kit.vcpu().power, "blocked");
  kit.domain.unpause();
  kit.domain.unpause();
  assertEquals(kit.vcpu().power, "runnable");
  own.trap(READ);
  kit.domain.pause();
  kit.domain.unpause();
  assertEquals(kit.vcpu().power, "blocked");
  kit.domain.pause();
  kit.vcpu().resumeAccess();
  assertEquals(kit.vcpu().power, "blocked");
  kit.domain.unpause();
  assertEquals(kit.vcpu().power, "runnable");
});

Deno.test("one vCPU waits for a device, the other runs on, and time with it; the exit counts once", async () => {
  const late = definePlugin<unknown, undefined>({
    name: "late",
    doc: "",
    options: {},
    attach({ exceptions, clock, domain }) {
      let at: number | undefined;
      const timer = clock.timer("answer", () => domain.vcpus[0].resumeAccess());
      exceptions.claimMmio(WINDOW, 0x1000, "registers", {
        read() {
          if (at !== undefined) return clock.nowNs;
          at = clock.nowNs;
          timer.arm(at + 100_000);
          return "later";
        },
        write: () => {},
      });
    },
  });
  const values: bigint[] = [];
  const esr = BigInt(0x24) << 26n | 1n << 25n | BigInt(READ);
  const first: Step[] = [
    { retire: 10, exception: { esr, far: BigInt(WINDOW), ipa: WINDOW } },
    { retire: 1, effect: (state) => values.push(state.x(9)) },
  ];
  const fake = fakeBoard({ pcpus: 2, domains: [{ name: "guest", vcpus: 2 }], plugins: [startAll, late] });
  fake.engine.script = (index) => index === 0 ? first : [];
  const machine = await Machine.create(fake.board, { images: new Map(), onSerial: () => {} });
  machine.runFor(200_000, Infinity);
  assertEquals(values.length, 1);
  assertEquals(Number(values[0]) >= 100_000 && Number(values[0]) <= 100_010 + QUANTUM, true, String(values));
  assertEquals([machine.domains[0].vcpus[1].state.retired > 190_000, machine.stats.exits.get("mmio")], [true, 1]);
  machine.dispose();
});
