/** The kit for tests of guests, as `bootForTest` gives it: each feature, and that a failure's bundle is the run that failed. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { bootForTest, GuestError } from "../mod.ts";
import type { TestBootOptions } from "../mod.ts";
import { runCli } from "./support/program.ts";

const root = new URL("..", import.meta.url).pathname;
const board = `${root}examples/guests/shout/board.yaml`;
const HEARD = 0x4008_0034n, LETTERS = 0x4008_0068;

const shout = (options: TestBootOptions = {}) => bootForTest(board, options);

const replay = (bundle: string) => runCli(["replay", bundle], { NO_COLOR: "1" });

/** The error of a call, and its bundle's folder. */
async function failure(call: () => Promise<unknown>): Promise<GuestError & { readonly bundle: string }> {
  const error = await assertRejects(call, GuestError);
  assert(error.bundle !== undefined, error.message);
  return error as GuestError & { bundle: string };
}

Deno.test("consoles: texts and expressions in their order, what came between, the board's end", async () => {
  using guest = await shout();
  const console = guest.console();
  assertEquals(await console.expect("> "), { text: "> ", groups: [], before: "" });
  console.send("xY");
  assertEquals(await console.expect(/(y)$/), { text: "y", groups: ["y"], before: "X\n> " });
  // Behind what was expected, and complete: a prompt, and not the beginning of a line.
  assertEquals((await console.expect(/^> $/)).text, "> ");
  assertEquals(console.unread, "");
  assertEquals(console.text, "> X\n> y\n> ");
  console.send("q");
  assertEquals(await guest.finish({ within: "1s" }), { kind: "power-off", domain: "guest", code: undefined });
  assertThrows(() => guest.console("modem"), RangeError, "there is console");
});

Deno.test("forks: each goes its own way, from the same moment", async () => {
  using booted = await shout();
  await booted.console().expect("> ");
  booted.console().send("a");
  const { nowNs } = booted;
  using one = await booted.fork();
  using other = await one.fork();
  other.memory().writeNumber(LETTERS, 1000, 2);
  for (const guest of [other, one, booted]) {
    assertEquals(guest.nowNs, nowNs);
    assertEquals((await guest.console().expect("\n")).before, "A");
  }
  assertEquals([booted, one, other].map((guest) => guest.memory().readNumber(LETTERS, 2)), [1n, 1n, 1001n]);
  assertEquals(booted.nowNs, other.nowNs);
});

Deno.test("virtual time: as much as was said, at least", async () => {
  using guest = await shout();
  assertEquals(await guest.runFor("2.5ms"), undefined);
  assert(guest.nowNs >= 2.5e6 && guest.nowNs < 10e6, `${guest.nowNs}`);
  await assertRejects(() => guest.runFor("soon"), RangeError, "5s or 10ms");
  await assertRejects(() => guest.finish({ within: "10ms" }), GuestError, "it didn't stop");
});

Deno.test("memory, registers, devices", async () => {
  using guest = await shout();
  await guest.console().expect("> ");
  const memory = guest.memory("guest"), cpu = guest.vcpu(0);
  memory.write(LETTERS, Uint8Array.of(1, 2, 3, 4));
  assertEquals([memory.readNumber(LETTERS), memory.readNumber(LETTERS + 1, 1)], [0x0403_0201n, 2n]);
  assertEquals(cpu.read(BigInt(LETTERS), 4), Uint8Array.of(1, 2, 3, 4));
  assertThrows(() => memory.read(0, 4), RangeError);
  assertEquals([cpu.register("x0"), cpu.register("X3"), cpu.index], [0x0900_0000n, BigInt(LETTERS), 0]);
  cpu.setRegister("VBAR_EL1", 0x4008_0800n);
  assertEquals(cpu.register("VBAR_EL1"), 0x4008_0800n);
  // Letters are counted elsewhere from here on.
  cpu.setRegister("X3", BigInt(LETTERS) + 8n);
  guest.console().send("a");
  await guest.console().expect("A");
  assertEquals([memory.readNumber(LETTERS), memory.readNumber(LETTERS + 8)], [0x0403_0201n, 1n]);
  assertThrows(() => cpu.register("X99"));
  assertThrows(() => guest.vcpu(1), RangeError, "no vCPU 1");
  assertThrows(() => guest.memory("other").read(0, 1), RangeError, "no domain other");
  for (const name of ["pl011", "pl011@9000000", "guest/pl011"]) {
    assertEquals(Object.keys(guest.device(name) as object).includes("fifo"), true);
  }
  assertThrows(() => guest.device("pl011@9000001"), RangeError, "there is no pl011@9000001");
});

Deno.test("breakpoints and watchpoints, and on from there", async () => {
  using guest = await shout();
  await guest.console().expect("> ");
  guest.console().send("ab");
  const heard = guest.breakpoint(HEARD), counted = guest.watchpoint(BigInt(LETTERS), { size: 4 });
  const first = await guest.until([counted, heard]);
  assertEquals([first.stop === heard, first.pc, first.vcpu.register("X1")], [true, HEARD, 0x61n]);
  const second = await guest.until([counted, heard]);
  assertEquals([second.stop === counted, second.address, second.vcpu.register("X4")], [true, BigInt(LETTERS), 1n]);
  assert(guest.machine.debugger.isWithinRound);
  guest.console().send("c");
  assertEquals((await guest.until(heard, { within: "10ms" })).vcpu.register("X1"), 0x62n);
  await guest.console().expect("B\n");
  await guest.console().expect("C\n");
  await assertRejects(() => guest.until(heard, { within: "10ms" }), GuestError, `execute of 0x${HEARD.toString(16)}`);
});

Deno.test("what is written at breakpoints, in the middle of a turn, comes again in the replay", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const error = await failure(async () => {
      using guest = await shout({ bundle: folder });
      await guest.console().expect("> ");
      guest.console().send("abc");
      const heard = guest.breakpoint(HEARD), counted = guest.watchpoint(BigInt(LETTERS), { size: 4 });
      (await guest.until(heard)).vcpu.setRegister("X1", 0x7an);
      const { vcpu } = await guest.until(counted);
      assert(guest.machine.debugger.isWithinRound);
      vcpu.setRegister("X4", 41n);
      await guest.until(heard);
      guest.memory().writeNumber(LETTERS, 70);
      guest.vcpu(0).setRegister("X1", 0x79n);
      await guest.console().expect("Z\n> Y\n> C\n");
      assertEquals(guest.memory().readNumber(LETTERS), 72n);
      guest.fail("enough");
    });
    const { code, stdout, stderr } = await replay(error.bundle);
    assertEquals([code, stdout], [0, "> Z\n> Y\n> C\n> "], stderr);
    const file = `${error.bundle}/run.recording`;
    const recorded = await Deno.readTextFile(file);
    assertEquals(recorded.match(/"halted"/g)?.length, 4);
    await Deno.writeTextFile(file, recorded.replace(/"pc":"0x400/, '"pc":"0x401'));
    const wrong = await replay(error.bundle);
    assertEquals(wrong.code, 1);
    assertMatch(wrong.stderr, /^error: the replay isn't the run: input came .* at 0x401/m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("exits: a budget for a part of a run", async () => {
  using guest = await shout();
  await guest.console().expect("> ");
  guest.console().send("a");
  await guest.until(guest.breakpoint(HEARD), { within: "10ms" });
  guest.resetExits();
  await guest.until(guest.breakpoint(HEARD + 0x1cn));
  assertEquals(guest.exits, { mmio: 2 });
  guest.expectExits({ mmio: 2, hvc: 0, all: 2 });
  assertThrows(() => guest.expectExits({ mmio: 1 }), GuestError, "2 exits (mmio), more than 1");
});

Deno.test("a failure leaves a bundle, and replay ends where the test did", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const images = new Map([["shout.bin", await Deno.readFile(`${root}examples/guests/shout/shout.bin`)]]);
    const text = await Deno.readTextFile(board);
    // The images are nowhere but in the test, and so in the bundle.
    using booted = await bootForTest(text.replace("board: shout", "board: mute"), { bundle: `${folder}/bundles`, images });
    await booted.console().expect("> ");
    booted.console().send("a");
    await booted.console().expect("A");
    using guest = await booted.fork();
    guest.memory().writeNumber(LETTERS, 70);
    guest.vcpu(0).setRegister("x3", BigInt(LETTERS));
    guest.console().send("b");
    const expected = await failure(() => guest.console().expect("b", { within: "30ms" }));
    assertStringIncludes(expected.message, `"b" didn't come at console`);
    assertStringIncludes(expected.message, "vCPU 0 of guest");
    assertStringIncludes(expected.message, "--- the end of console ---\n> A\n> B\n> ");
    assertStringIncludes(expected.message, `plugboard replay ${expected.bundle}`);
    assertEquals(expected.bundle, `${folder}/bundles/mute-1`);
    const again = await replay(expected.bundle);
    assertEquals([again.code, again.stdout], [0, "> A\n> B\n> "], again.stderr);
    assertMatch(again.stderr, /, 4 inputs/);
    const lock = JSON.parse(await Deno.readTextFile(`${expected.bundle}/lock.json`));
    // A place that the board hasn't is no reason to crash.
    const file = `${expected.bundle}/run.recording`;
    const recorded = await Deno.readTextFile(file);
    for (const [from, to] of [[`"ipa":${LETTERS}`, `"ipa":64`], [`"vcpu":0`, `"vcpu":9`], [`"register":"x3"`, `"register":"x77"`]]) {
      await Deno.writeTextFile(file, recorded.replace(from, to));
      const wrong = await replay(expected.bundle);
      assertEquals(wrong.code, 1, wrong.stderr);
      assertMatch(wrong.stderr, /^error: the replay isn't the run: in domain guest, /m);
    }
    assertMatch(lock.images["shout.bin"], /^[0-9a-f]{64}$/);
    assertEquals(await Deno.readTextFile(`${expected.bundle}/console-console.txt`), "> A\n> B\n> ");

    // Also what the test itself finds, in the middle of a turn.
    const thrown = await failure(() =>
      booted.test(async (guest) => {
        guest.console().send("c");
        const { vcpu } = await guest.until(guest.breakpoint(HEARD), { within: "10ms" });
        assertEquals(vcpu.register("X1"), 0x64n);
      })
    );
    assertStringIncludes(thrown.message, "Values are not equal");
    assertEquals(thrown.bundle, `${folder}/bundles/mute-2`);
    const end = await replay(thrown.bundle);
    assertEquals([end.code, end.stdout.startsWith("> A\n> ")], [0, true], end.stderr);

    // A bundle that isn't the run says so.
    const recording = `${thrown.bundle}/run.recording`;
    await Deno.writeTextFile(recording, (await Deno.readTextFile(recording)).replace(`"output":{"console":"`, `"output":{"console":"0`));
    assertEquals((await replay(thrown.bundle)).code, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a failure at a breakpoint, of four vCPUs on two CPUs: the bundle's end comes again", async () => {
  const folder = await Deno.makeTempDir();
  try {
    using booted = await bootForTest(`${root}boards/tour.yaml`, { bundle: folder, set: { seed: "7" } });
    await booted.console().expect("CPUs       4");
    const error = await failure(() =>
      booted.test(async (guest) => {
        await guest.runFor("1ms");
        // Wherever the first one is: somebody comes by again.
        const { vcpu } = await guest.until(guest.breakpoint(guest.vcpu(0).register("PC")), { within: "1s" });
        for (let n = 0; n < 20; n++) {
          const { vcpu, pc } = await guest.until([0, 1, 2, 3].map((index) => guest.breakpoint(guest.vcpu(index).register("PC"))));
          vcpu.setRegister("V31", BigInt(n) << 64n | pc);
        }
        assert(vcpu.index > 8, `vCPU ${vcpu.index} came`);
      })
    );
    assertMatch(error.message, /^vCPU \d came/);
    for (let n = 0; n < 4; n++) assertStringIncludes(error.message, `vCPU ${n} of tour`);
    const { code, stderr } = await replay(error.bundle);
    assertEquals(code, 0, stderr);
    const from = await runCli([`${root}boards/tour.yaml`, "--seed", "7", "--from", `${error.bundle}/end.snap`]);
    assertStringIncludes(from.stdout, "Tour complete");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
