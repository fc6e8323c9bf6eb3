/** A machine that waits for the world: time keeps pace while an answer is on its way, and nothing is over while somebody may call. */
import { assert, assertEquals } from "@std/assert";
import type { HostSockets } from "../host/host_sockets.ts";
import { Machine } from "./machine.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { fakeBoard, FakeSockets, startFirst } from "../testing.ts";
import type { Step } from "../testing.ts";

const wfi: Step = { exception: { esr: 0x01n << 26n | 1n << 25n } };
const OUTSIDE = { transport: "tcp", hostname: "192.0.2.1", port: 80 } as const;
/** A guest's own patience: it looks again every ten virtual seconds. */
const PATIENCE_NS = 10e9;

/** A machine whose guest only waits, with a plugin that uses sockets and one whose timer never rests. */
async function machineWith(use: (sockets: HostSockets) => void, { ticks = true, time = "virtual" as "virtual" | "host" } = {}) {
  const sockets = new FakeSockets();
  let wall = 0;
  const user = definePlugin({
    name: "user",
    doc: "",
    options: {},
    attach({ host, clock }) {
      use(host.sockets);
      if (!ticks) return;
      const timer = clock.timer("tick", () => timer.arm(clock.nowNs + PATIENCE_NS));
      timer.arm(PATIENCE_NS);
    },
  });
  const fake = fakeBoard({ plugins: [startFirst, user] });
  fake.engine.script = () => ({
    *[Symbol.iterator]() {
      for (;;) yield wfi;
    },
  });
  const board = { ...fake.board, time };
  const machine = await Machine.create(board, { images: new Map(), onSerial: () => {}, sockets, wallMs: () => wall });
  return { machine, sockets, pass: (ms: number) => wall += ms };
}

Deno.test("an idle machine jumps from timer to timer; with a connection open, no faster than the host's clock", async () => {
  for (const time of ["virtual", "host"] as const) {
    let heard = 0;
    const { machine, sockets, pass } = await machineWith((host) => {
      host.connect(OUTSIDE, { local: false }, { connected: () => heard = machine.nowNs, failed: () => heard = machine.nowNs });
    }, { time });
    machine.runFor(0, 1);
    machine.runFor(100e9, 1e9);
    assert(machine.waiting && machine.wakeAfterMs! > 9000, `${time}: ${machine.nowNs} ns passed in no time`);
    const before = machine.nowNs;
    pass(40);
    machine.runFor(100e9, 1e9);
    assertEquals([Math.round((machine.nowNs - before) / 1000), machine.waiting], [40_000, true], time);
    const now = machine.nowNs;

    // Bad news: nobody is expected any more.
    let told = 0;
    machine.onHostInput(() => told++);
    sockets.post({ kind: "failed", id: sockets.take("connect")[0].id, why: "refused" });
    assertEquals(told, 1);
    machine.runFor(100e9, 1e9);
    assertEquals(heard, now);
    assertEquals([machine.waiting, machine.nowNs - before > 90e9], time === "virtual" ? [false, true] : [true, false]);
    machine.dispose();
    assert(sockets.closed);
  }
});

Deno.test("a wait begins anew with each connection: what was jumped over before isn't waited for", async () => {
  let connect!: () => void;
  const { machine, sockets, pass } = await machineWith((host) => {
    connect = () => void host.connect(OUTSIDE, { local: false }, {});
  });
  machine.runFor(1000e9, 1e9);
  assertEquals([machine.nowNs, machine.waiting], [1000e9, false]);
  for (let n = 0; n < 2; n++) {
    connect();
    const before = machine.nowNs;
    machine.runFor(100e9, 1e9);
    pass(5);
    machine.runFor(100e9, 1e9);
    assertEquals(machine.nowNs - before, 5e6);
    sockets.post({ kind: "failed", id: sockets.take("connect")[0].id, why: "timeout" });
    machine.runFor(200e9, 1e9);
    assert(!machine.waiting);
  }
  machine.dispose();
});

Deno.test("nothing is over while somebody may call", async () => {
  let stop!: () => void;
  const { machine } = await machineWith((host) => stop = host.listen(OUTSIDE, () => ({})).close, { ticks: false });
  assertEquals([machine.runFor(1e9, 1e9), machine.waiting, machine.wakeAfterMs], [undefined, true, undefined]);
  stop();
  assertEquals(machine.runFor(1e9, 1e9)?.kind, "idle-forever");
  machine.dispose();
});
