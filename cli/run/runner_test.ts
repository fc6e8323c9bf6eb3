import { assertEquals, assertRejects } from "@std/assert";
import type { Domain, StopReason } from "../../core/mod.ts";
import { Watcher } from "../expect/expectations.ts";
import { literal } from "../expect/patterns.ts";
import { runMachine } from "./runner.ts";
import type { Console, Runnable } from "./runner.ts";

/** A machine that takes a millisecond for each slice, and a user who types. */
function fake(
  options: {
    stopAfter?: number;
    reason?: StopReason;
    waiting?: boolean;
    print?: string;
    typed?: string;
    quitAt?: number;
    powerKey?: boolean;
    /** What a reboot fails with, and who is there then. */
    rebootError?: Error;
    others?: Domain[];
    inVain?: boolean;
  } = {},
) {
  const watcher = new Watcher({ steps: [{ expect: literal("ok") }], refuse: [] });
  const input: string[] = [];
  let slices = 0;
  let inputEnded = false;
  const machine: Runnable = {
    serialPorts: ["console", "power-key"],
    get domains() {
      return options.others ?? [];
    },
    nowNs: 0,
    runsInVain: options.inVain ?? false,
    waiting: options.waiting ?? false,
    wakeAfterMs: undefined,
    serialInput: (port, bytes) => void input.push(`${port}:${new TextDecoder().decode(bytes)}`),
    endInput: () => void (inputEnded = true),
    onHostInput: () => {},
    reboot(name) {
      input.push(`reboot ${name}`);
      if (options.rebootError) return Promise.reject(options.rebootError);
      return Promise.resolve({} as Domain);
    },
    runFor(maxVirtualNs) {
      slices++;
      (this as { nowNs: number }).nowNs += Math.min(maxVirtualNs, 1e6);
      if (options.print && slices === 3) watcher.see("console", new TextEncoder().encode(options.print));
      return slices === options.stopAfter ? options.reason ?? { kind: "power-off" } : undefined;
    },
  };
  let typed = options.typed ?? "";
  const terminal: Console = {
    ended: options.typed === undefined,
    powerKey: options.powerKey ?? false,
    get quit() {
      return slices === options.quitAt ? {} : undefined;
    },
    take() {
      const bytes = new TextEncoder().encode(typed);
      typed = "";
      return bytes.length > 0 ? [{ bytes }] : [];
    },
    wait: () => Promise.resolve(),
    wake: () => {},
  };
  return { machine, terminal, watcher, input, ended: () => inputEnded };
}

Deno.test("a run ends when the machine stops", async () => {
  const { machine, terminal, watcher, ended } = fake({ stopAfter: 5, reason: { kind: "crash", report: "boom" } });
  assertEquals(await runMachine(machine, { port: "console", terminal, watcher, limits: {} }), {
    kind: "stopped",
    reason: { kind: "crash", report: "boom" },
  });
  assertEquals(ended(), true);
});

Deno.test("a run ends with what was expected", async () => {
  const { machine, terminal, watcher } = fake({ print: "ok" });
  assertEquals(await runMachine(machine, { port: "console", terminal, watcher, limits: {} }), { kind: "expected" });
});

Deno.test("a run ends at its limit of virtual time, to the nanosecond", async () => {
  const { machine, terminal, watcher } = fake();
  const ending = await runMachine(machine, { port: "console", terminal, watcher, limits: { virtual: { ns: 2_500_000, text: "2.5ms" } } });
  assertEquals(ending, { kind: "timeout", limit: "2.5ms of virtual time" });
  assertEquals(machine.nowNs, 2_500_000);
});

Deno.test("a run ends at its limit of wall time, also while nothing happens", async () => {
  const { machine, terminal, watcher } = fake({ waiting: true });
  const ending = await runMachine(machine, { port: "console", terminal, watcher, limits: { wall: { ms: 5, text: "5ms" } } });
  assertEquals(ending, { kind: "timeout", limit: "5ms of wall time" });
});

Deno.test("a run ends when all that is left are loops that nothing ends", async () => {
  const { machine, terminal, watcher } = fake({ inVain: true });
  assertEquals(await runMachine(machine, { port: "console", terminal, watcher, limits: {} }), { kind: "in-vain" });
});

Deno.test("keys reach the port, and the user may leave", async () => {
  const { machine, terminal, watcher, input } = fake({ typed: "ls\n", quitAt: 4 });
  assertEquals(await runMachine(machine, { port: "console", terminal, watcher, limits: {} }), { kind: "quit" });
  assertEquals(input, ["console:ls\n"]);
});

Deno.test("a domain that asks for a reboot gets it and the run goes on; without reboots that is its end", async () => {
  const reason = { kind: "reboot", domain: "linux" } as const;
  const first = fake({ stopAfter: 2, reason, print: "ok" });
  const told: StopReason[] = [];
  const rebooting = (why: StopReason) => void told.push(why);
  const { machine, terminal, watcher } = first;
  assertEquals(await runMachine(machine, { port: "console", terminal, watcher, limits: {}, rebooting }), { kind: "expected" });
  assertEquals([told, first.input], [[reason], ["reboot linux"]]);
  const second = fake({ stopAfter: 2, reason });
  const ending = await runMachine(second.machine, { port: "console", terminal: second.terminal, watcher: second.watcher, limits: {} });
  assertEquals(ending, { kind: "stopped", reason });
});

Deno.test("the power key is pressed once", async () => {
  const { machine, terminal, watcher, input } = fake({ stopAfter: 3, powerKey: true });
  await runMachine(machine, { port: "console", terminal, watcher, limits: {} });
  assertEquals(input, ["power-key:\x01"]);
});

Deno.test("a domain that can't be built again is gone: said once, and the others go on; the last one's end is the run's", async () => {
  const reason = { kind: "reboot", domain: "linux" } as const;
  const rebootError = new Error("no frame is free");
  const said: string[] = [];
  const { error } = console;
  console.error = (line: string) => void said.push(line);
  try {
    const some = fake({ reason, stopAfter: 1, print: "ok", rebootError, others: [{} as Domain] });
    const around = { port: "console", limits: {}, rebooting: () => {} };
    assertEquals(await runMachine(some.machine, { ...around, terminal: some.terminal, watcher: some.watcher }), { kind: "expected" });
    assertEquals(said, ["error: linux can't start over, and is gone: no frame is free"]);
    const last = fake({ reason, stopAfter: 1, rebootError });
    await assertRejects(
      () => runMachine(last.machine, { ...around, terminal: last.terminal, watcher: last.watcher }),
      Error,
      "no frame is free",
    );
  } finally {
    console.error = error;
  }
});
