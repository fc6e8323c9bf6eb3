/** Devices in real Workers, on the bench. */
import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench, BenchOptions } from "../../core/testing.ts";
import { DeviceModels, ForeignFrames } from "./contract.ts";
import { ioreq } from "./mod.ts";
import type { IoreqOptions } from "./mod.ts";
import { Crime, good, Register } from "./tests/devices.ts";
import type { GoodState } from "./tests/devices.ts";

const AT = 0x0900_0000;
const RAM = 0x4000_0000;
const [SUM, FROM, TO, COPY] = [Register.SUM, Register.FROM, Register.TO, Register.COPY].map((offset) => AT + offset);

interface Started {
  readonly kit: Bench;
  readonly state: GoodState;
  [Symbol.dispose](): void;
}

async function started(options: Partial<IoreqOptions> = {}, file?: string, world: BenchOptions = {}): Promise<Started> {
  const kit = bench(world);
  await kit.attach(ioreq, { on_failure: "bus_error", order: "strict", deadline: 1e10, virtual_deadline: 1e9, buffered: false, ...options });
  const state = await kit.attach(good, { at: AT, interrupt: 40, runs: "ioreq", fails: false, file });
  await kit.boot();
  return { kit, state, [Symbol.dispose]: () => kit.close() };
}

const failures = (kit: Bench) =>
  kit.traced.filter((text) => text.startsWith("device behind IOREQ")).map((text) => text.split(": ").slice(3).join(": "));

Deno.test("a device in a Worker: registers, interrupt, guest memory, timer, port, state", async () => {
  using run = await started();
  const { kit, state } = run;
  kit.write32(SUM, 5);
  kit.write64(SUM, 6);
  assertEquals([kit.read32(SUM), kit.read8(SUM)], [11, 11]);
  assertEquals(state.sum, 11, "the framework's copy");

  kit.write32(AT + Register.LINE, 1);
  assertEquals(kit.interrupts.level(40), true);
  kit.write32(AT + Register.LINE, 0);
  assertEquals(kit.interrupts.level(40), false);

  const text = crypto.getRandomValues(new Uint8Array(10_000));
  kit.domain.writeMemory(RAM + 123, text);
  kit.write64(FROM, RAM + 123);
  kit.write64(TO, RAM + 0x8_0001);
  kit.write32(COPY, text.length);
  assertEquals([kit.read32(COPY), kit.domain.readMemory(RAM + 0x8_0001, text.length)], [1, text]);

  kit.write32(AT + Register.TIMER, 1000);
  kit.advance(999);
  assertEquals(kit.interrupts.level(40), false);
  kit.advance(1);
  assertEquals(kit.interrupts.level(40), true);
  kit.advance(500);
  assertEquals(Number(kit.read64(AT + Register.TIME)), kit.clock.nowNs);

  for (const byte of new TextEncoder().encode("hello")) kit.write8(AT + Register.PUT, byte);
  assertEquals(kit.output("good"), "hello");
  kit.input("good", "xyz");
  assertEquals(kit.read8(AT + Register.GET), 0x7a);
  assertEquals(failures(kit), []);
});

Deno.test("a device in a Worker reaches no more guest memory than it was given", async () => {
  using run = await started({ frames: [{ at: RAM + 0x1000, size: 0x2000 }] });
  const { kit } = run;
  const copy = (from: number, to: number, size: number) => {
    kit.write64(FROM, from);
    kit.write64(TO, to);
    kit.write32(COPY, size);
    return kit.read32(COPY);
  };
  assertEquals(copy(RAM + 0x1000, RAM + 0x2000, 0x1000), 1);
  const rows = [[RAM + 0xfff, RAM + 0x1000, 1], [RAM + 0x1000, RAM + 0x3000, 1], [RAM + 0x2fff, RAM + 0x1000, 2], [0, RAM + 0x1000, 1]];
  for (const [from, to, size] of [...rows, [2 ** 52, RAM + 0x1000, 1], [RAM + 0x1000, 2 ** 47, 8]]) assertEquals(copy(from, to, size), 0);
  assertEquals(failures(kit), []);
});

for (
  const [name, crime, cause] of [
    ["throws", Crime.THROW, /on purpose/],
    ["hangs", Crime.HANG, /didn't answer in 1000 ms/],
    ["exits", Crime.EXIT, /calls exit/],
    ["reads /etc/passwd", Crime.PASSWD, /Requires read access/],
    ["opens a socket", Crime.SOCKET, /Requires net access/],
  ] as const
) {
  Deno.test(`a device that ${name} gives its domain bus errors, and is reported once`, async () => {
    using run = await started(crime === Crime.HANG ? { deadline: 1e9 } : {});
    const { kit } = run;
    kit.write32(SUM, 1);
    assertThrows(() => kit.write32(AT + Register.CRIME, crime), Error, "doesn't answer");
    for (let n = 0; n < 5; n++) assertThrows(() => kit.read32(SUM), Error, "doesn't answer");
    assertEquals(failures(kit).length, 1);
    assertMatch(failures(kit)[0], cause);
    assertEquals([kit.domain.outcome, kit.get(DeviceModels).devices[0].isAlive], [undefined, false]);
  });
}

Deno.test("a device that fails pauses its domain, if the board says so: no interrupt wakes it", async () => {
  using run = await started({ on_failure: "pause" });
  const { kit } = run;
  kit.read32(SUM);
  assertThrows(() => kit.write32(AT + Register.CRIME, Crime.THROW), Error, "doesn't answer");
  kit.vcpu().kick();
  assertEquals(kit.vcpu().power, "blocked");
  assertEquals(failures(kit), ["Error: on purpose", "guest is paused"]);
});

Deno.test("a device that fails at a request every time is given up after some restarts; what was done in half never happened", async () => {
  using run = await started({ on_failure: "restart" });
  const { kit, state } = run;
  kit.write32(SUM, 7);
  kit.write64(TO, RAM);
  assertThrows(() => kit.write32(AT + Register.HALF, Crime.THROW), Error, "doesn't answer");
  assertEquals(failures(kit).filter((text) => text === "Error: on purpose").length, 4);
  assertEquals([...kit.domain.readMemory(RAM, 1), ...kit.domain.readMemory(RAM + 4096, 1)], [0, 0]);
  assertEquals(state.sum, 7);
});

Deno.test("a device whose Worker dies goes on in a new one: state, armed timers and the request survive", async () => {
  using run = await started({ on_failure: "restart" });
  const { kit } = run;
  const [device] = kit.get(DeviceModels).devices;
  kit.write32(SUM, 7);
  kit.write32(AT + Register.TIMER, 10_000);
  for (let n = 0; n < 2; n++) {
    device.kill();
    kit.write32(SUM, 1);
  }
  assertEquals(kit.read32(SUM), 9);
  device.kill();
  kit.advance(10_000);
  assertEquals(kit.interrupts.level(40), true);
  assertEquals(failures(kit).filter((text) => /goes on/.test(text)).length, 3);
});

Deno.test("a disk in a Worker is a file that it may open, and no other one", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeFile(file, new Uint8Array(4096));
    {
      using run = await started({}, file);
      run.kit.write64(FROM, 100);
      run.kit.write8(AT + Register.DISK, 0x5a);
      assertEquals(failures(run.kit), []);
      assertThrows(() => run.kit.write32(AT + Register.CRIME, Crime.PASSWD), Error, "doesn't answer");
    }
    assertEquals((await Deno.readFile(file))[100], 0x5a);
    // Nobody has it locked any more.
    using again = await started({}, file);
    assertEquals(failures(again.kit), []);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("a disk that is no file of the host is read and written by the hypervisor", async () => {
  const bytes = new Uint8Array(4096);
  let flushes = 0;
  const openDisk = () => ({
    sizeBytes: bytes.length,
    writable: true,
    read: (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)),
    write: (offset: number, from: Uint8Array) => bytes.set(from, offset),
    flush: () => void flushes++,
    close() {},
  });
  using run = await started({}, "somewhere", { openDisk });
  run.kit.write64(FROM, 100);
  run.kit.write8(AT + Register.DISK, 0x5a);
  assertEquals([bytes[100], flushes, failures(run.kit)], [0x5a, 1, []]);
});

Deno.test("buffered writes: nobody waits, the next request or 10 µs bring them, and a Worker that dies takes none along", async () => {
  const at = 0x8_0000;
  const kit = bench();
  await kit.attach(ioreq, { on_failure: "restart", order: "strict", deadline: 1e10, virtual_deadline: 1e9, buffered: true });
  const state = await kit.attach(good, { at, interrupt: 40, runs: "ioreq", fails: false });
  await kit.boot();
  for (let n = 1; n <= 20; n++) kit.write32(at + Register.SUM, n);
  assertEquals({ ...state }.sum, 0);
  assertEquals(kit.read32(at + Register.SUM), 210);
  kit.write64(at + Register.SUM, 2 ** 40);
  kit.advance(10_000);
  assertEquals({ ...state }.sum, 2 ** 40 + 210);
  kit.write32(at + Register.SUM, 1);
  kit.write32(at + Register.SUM, 1);
  kit.get(DeviceModels).devices[0].kill();
  assertEquals(Number(kit.read64(at + Register.SUM)), 2 ** 40 + 212);
  for (let n = 0; n < 2000; n++) kit.write32(at + Register.SUM, 1);
  assertEquals(Number(kit.read64(at + Register.SUM)), 2 ** 40 + 2212, "the ring is full now and then");
  kit.write32(at + Register.SUM, 1);
  kit.close();
  assertEquals(state.sum, 2 ** 40 + 2213, "what was written comes before the end");
});

Deno.test("what a device looks at in every request is fetched together, and never seen as it was before", async () => {
  using run = await started();
  const { kit } = run;
  kit.write64(TO, RAM + 0x5ffe); // over the end of a page
  for (let n = 1; n <= 12; n++) {
    kit.write64(FROM, RAM + 0x1000 * (n % 3) + 5);
    kit.domain.writeMemory(RAM + 0x1000 * (n % 3) + 5, Uint8Array.of(n, n + 1, n + 2));
    if (n === 8) kit.domain.space.unmap(RAM + 0x1000, 0x1000);
    if (n === 8) kit.get(DeviceModels).pagesLeft(RAM + 0x1000, 0x1000);
    kit.write32(COPY, 3);
    const isThere = n < 8 || n % 3 !== 1;
    assertEquals(kit.read32(COPY), isThere ? 1 : 0, `${n}`);
    if (isThere) assertEquals([...kit.domain.readMemory(RAM + 0x5ffe, 3)], [n, n + 1, n + 2]);
  }
  assertEquals(failures(kit), []);
});

Deno.test("pages that leave the domain: references go, what isn't there isn't reached, and the device is told", async () => {
  using run = await started();
  const { kit } = run;
  const pa = kit.domain.space.lookup(RAM)!.pa;
  kit.write64(FROM, RAM);
  kit.write64(TO, RAM + 0x1000);
  kit.write32(COPY, 8);
  assertEquals(kit.memory.ownerOf(pa)?.references, 2);
  kit.domain.space.unmap(RAM, 0x1000);
  assertEquals(kit.memory.ownerOf(pa)?.references, 2, "nobody else gets it yet");
  const models = kit.get(DeviceModels);
  models.pagesLeft(RAM, 0x1000);
  assertEquals([kit.memory.ownerOf(pa)?.references, models.devices[0].frames, kit.vcpu().power], [1, 1, "runnable"]);
  kit.write32(COPY, 8);
  assertEquals([kit.read32(COPY), failures(kit)], [0, []]);
  kit.write64(FROM, RAM + 0x1000);
  kit.write64(TO, RAM);
  kit.write32(COPY, 8);
  assertEquals(failures(kit), []);
});

Deno.test("a frame that a back-end holds outlives its domain, and goes with the back-end", async () => {
  const run = await started();
  const { kit } = run;
  const pa = kit.domain.space.lookup(RAM)!.pa;
  const frames = new ForeignFrames(kit.domain, kit.memory, kit.engine, [{ at: RAM, size: 0x1000 }]);
  assertEquals([frames.read(RAM, new Uint8Array(8)), frames.read(RAM + 0xfff, new Uint8Array(2))], ["done", "outside"]);
  kit.close();
  assertEquals([kit.memory.ownerOf(pa), [...kit.memory.usage()]], [{ owner: "guest", references: 1 }, [["guest", 1]]]);
  frames.close();
  assertEquals(kit.memory.usage().size, 0);
});

Deno.test("set_irq_level: a line that another device has is refused", async () => {
  using run = await started();
  const make = () => ({ backend: { notify() {}, lied() {} }, pages: { buffer: new SharedArrayBuffer(8192), sync: 0 } });
  const operations = run.kit.get(DeviceModels).operations("dom1", make);
  assertThrows(() => operations.setIrqLevel(40, 1), Error, "EINVAL");
  assertEquals(run.kit.interrupts.level(40), false);
});

Deno.test("a program that doesn't say that Workers have permissions is told which line to add", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const launch = new URL("worker/launch.ts", import.meta.url).href;
    const text =
      `import { launch } from ${
        JSON.stringify(launch)
      };\ntry { launch({ name: "x", module: "data:,", shared: new SharedArrayBuffer(0) }, ` +
      `{ read: [], write: [] }).terminate(); console.log("started"); } catch (error) { console.log(error.message); }\n`;
    await Deno.writeTextFile(`${directory}/program.ts`, text);
    const outcome = async () => {
      const args = ["run", "-A", "--no-check", "program.ts"];
      const { stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: directory, stderr: "null" }).output();
      return new TextDecoder().decode(stdout);
    };
    assertMatch(await outcome(), /add "unstable": \["worker-options"\] to deno.json/);
    await Deno.writeTextFile(`${directory}/deno.json`, '{ "unstable": ["worker-options"] }');
    assertEquals(await outcome(), "started\n");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a device that refuses to start says so at its option", async () => {
  const kit = bench();
  await kit.attach(ioreq, { on_failure: "bus_error", order: "strict", deadline: 1e10, virtual_deadline: 1e9, buffered: false });
  await kit.attach(good, { at: AT, interrupt: 40, runs: "ioreq", fails: true });
  await assertRejects(() => kit.boot(), Error, "it was told to");
  kit.close();
});

Deno.test("nothing is left of a device: frames, servers, Worker; kept state is there for the next one", async () => {
  const run = await started();
  const { kit, state } = run;
  const before = kit.memory.ownerOf(RAM);
  kit.write64(FROM, RAM);
  kit.write64(TO, RAM + 0x1000);
  kit.write32(COPY, 16);
  kit.write32(SUM, 9);
  const models = kit.get(DeviceModels);
  const pa = kit.domain.space.lookup(RAM)!.pa;
  assertEquals([models.devices[0].frames, kit.memory.ownerOf(pa)?.references, models.servers.all.length], [2, 2, 1]);
  const kept = good.keep!(state);
  kit.close();
  assertEquals([models.devices[0].frames, models.devices[0].isAlive, models.servers.all.length], [0, false, 0]);
  assertEquals([kit.memory.usage().size, kept, { ...state }.sum, before], [0, { sum: 9 }, 9, before]);
});
