/** The guest's console on pipes and on a terminal; what options of the command line do to the guest. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dtc, missing } from "../support/toolchain.ts";
import { converse, plugboard, withProgram } from "./console.ts";

/** movz x0, #0x8400, lsl #16; movk x0, #8; hvc #0: SYSTEM_OFF. */
const POWER_OFF = [0xd2b0_8000, 0xf280_0100, 0xd400_0002];
/** Says back what is typed, up to a `q`: UARTCR.UARTEN, UARTFR.RXFE, UARTDR. */
const ECHO = [
  0xd2a1_2001,
  0x5280_6022,
  0xb900_3022,
  0xb940_1822,
  0x3727_ffe2,
  0xb940_0020,
  0x3900_0020,
  0x7101_c41f,
  0x54ff_ff61,
  ...POWER_OFF,
];
/** Prints `*`, and then the same. */
const PROMPT_AND_ECHO = [0xd2a1_2001, 0x5280_0540, 0x3900_0020, ...ECHO];
/** Puts out the device tree that it was given, byte by byte. */
const SHOW_DEVICE_TREE = [0xd2a1_2001, 0xb940_0402, 0x5ac0_0842, 0x3840_1403, 0x3900_0023, 0x7100_0442, 0x54ff_ffa1, ...POWER_OFF];

Deno.test("piped input reaches the guest, byte for byte, C-a too; nothing but its console is on standard output", () =>
  withProgram(ECHO, async (board) => {
    const { code, text, stderr } = await converse(plugboard(board), [{ after: "", text: "one \x01x two\nthree q" }]);
    assertEquals([code, text], [0, "one \x01x two\nthree q"]);
    assertStringIncludes(stderr, "guest powered off");
  }));

Deno.test("input that comes late finds a guest that waits", () =>
  withProgram(PROMPT_AND_ECHO, async (board) => {
    const typing = [{ after: "*", text: "ab" }, { after: "ab", text: "cd" }, { after: "cd", text: "q" }];
    const { code, text, stderr } = await converse(plugboard(board, "--quiet"), typing);
    assertEquals([code, text, stderr], [0, "*abcdq", ""]);
  }));

Deno.test("input that ends before the guest did: it goes on, and a limit ends it", () =>
  withProgram(ECHO, async (board) => {
    const { code, text } = await converse(plugboard(board, "--timeout", "2ms"), [{ after: "", text: "abc" }]);
    assertEquals([code, text], [4, "abc"]);
  }));

const terminal = { command: "script", package: "bsdutils" };

/** The same in a pseudo-terminal. */
const inTerminal = (...words: string[]) => ["script", "-qec", words.map((word) => `'${word}'`).join(" "), "/dev/null"];

Deno.test({
  name: "at a terminal: keys go to the guest one by one, C-a h helps, C-a C-a is C-a, C-a x leaves with 0",
  ignore: missing(terminal),
  fn: () =>
    withProgram(PROMPT_AND_ECHO, async (board) => {
      const typing = [
        { after: "*", text: "a\x03b" }, // raw: C-c is the guest's
        { after: "a\x03b", text: "\x01h" },
        { after: "end the run", text: "\x01\x01c" },
        { after: "c", text: "\x01x" },
      ];
      const { code, text } = await converse(inTerminal(...plugboard(board)), typing, { open: true });
      assertEquals(code, 0, text);
      assertStringIncludes(text, "*a\x03b");
      assertStringIncludes(text, "send C-a to the guest");
      assertStringIncludes(text, "\x01c");
      assertStringIncludes(text, "paced by this machine's clock");
      assertStringIncludes(text, "end    ended from the keyboard");
    }),
});

Deno.test({
  name: "at a terminal: leaving before what was expected came ends with 1",
  ignore: missing(terminal),
  fn: () =>
    withProgram(PROMPT_AND_ECHO, async (board) => {
      const command = inTerminal(...plugboard(board, "--expect", "never"));
      const { code, text } = await converse(command, [{ after: "*", text: "\x01x" }], { open: true });
      assertEquals(code, 1, text);
      assertStringIncludes(text, 'expected and not seen: "never"');
    }),
});

const dtcText = async (blob: Uint8Array) => {
  const file = await Deno.makeTempFile({ suffix: ".dtb" });
  await Deno.writeFile(file, blob);
  const { code, stdout, stderr } = await new Deno.Command("dtc", { args: ["-I", "dtb", "-O", "dts", "-s", file] }).output();
  await Deno.remove(file);
  const [text, warnings] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([code, warnings], [0, ""], "dtc warns of the tree");
  return text;
};

Deno.test({
  name: "what --smp, -m, --append and --set say is in the tree that the guest gets, and in what `dtb` writes; dtc has no objection",
  ignore: missing(dtc),
  fn: () =>
    withProgram(SHOW_DEVICE_TREE, async (board) => {
      const options = ["--smp", "3", "-m", "48MiB", "--append", "console=ttyAMA0 quiet", "--set", "plugins.psci.conduit=smc"];
      // The guest asks by HVC to be switched off, which this board has no ear for: it stops at its unexpected return.
      const { stdout } = await converse(plugboard(board, ...options, "--timeout", "1ms"), []);
      const seen = await dtcText(stdout);
      const offline = await converse(plugboard("dtb", board, ...options, "-o", "-"), []);
      assertEquals(offline.code, 0, offline.stderr);
      assertEquals(seen, await dtcText(offline.stdout));
      for (const part of ["cpu@2 {", 'bootargs = "console=ttyAMA0 quiet"', 'method = "smc"', "reg = <0x00 0x40000000 0x00 0x3000000>"]) {
        assertStringIncludes(seen, part);
      }
      assert(!seen.includes("cpu@3"));
    }),
});

Deno.test("--kernel and --initrd: files of the working directory go where the guest finds them", () =>
  withProgram([0xd503_201f], async (board, folder) => {
    await Deno.writeFile(`${folder}/other.bin`, new Uint8Array(Uint32Array.from(SHOW_DEVICE_TREE).buffer));
    await Deno.writeFile(`${folder}/initrd.img`, new Uint8Array(0x1234).fill(7));
    const { code, text } = await converse(plugboard(board, "--kernel", `${folder}/other.bin`, "--initrd", `${folder}/initrd.img`), []);
    assertEquals(code, 0);
    assertStringIncludes(text, "linux,initrd-start");
    assertStringIncludes(text, "linux,initrd-end");
  }));

Deno.test("--fail ends with 1 at once, also when what is expected came before", () =>
  withProgram(PROMPT_AND_ECHO, async (board) => {
    const run = (...args: string[]) => converse(plugboard(board, ...args), [{ after: "*", text: "oops q" }]);
    assertEquals((await run("--expect", "oops", "--fail", "*")).code, 1);
    assertEquals((await run("--expect", "*", "--expect", "oops")).code, 0);
    const wrongOrder = await run("--expect", "oops", "--expect", "*");
    assertEquals(wrongOrder.code, 1);
    assertStringIncludes(wrongOrder.stderr, 'expected and not seen: "*"');
  }));

/** The echo program in two domains of one board, each with a console. */
const twoGuests = (manifest: string) => {
  const [head, guest] = manifest.split(/^(?= {2}- name: guest)/m);
  const named = (name: string) => guest.replace("name: guest", `name: ${name}`).replace("port: console", `port: ${name}`);
  return head.replace(/^memory:\n.*\n/m, "").replace("scheduler_null", "scheduler_credit2") + named("left") + named("right");
};

Deno.test("two guests, no terminal: each line behind its console's name; input goes to the first, or to --port", () =>
  withProgram(PROMPT_AND_ECHO, async (board) => {
    const run = async (text: string, ...args: string[]) =>
      (await converse(plugboard(board, "--quiet", "--expect", text.slice(-3), ...args), [{ after: "", text }], { open: true })).text;
    assertEquals(await run("one\ntwo\nend"), "[left] *one\n[left] two\n[left] end\n[right] *\n");
    assertEquals(await run("abc", "--port", "right"), "*abc");
    assertEquals(await run("abc", "--port", "right", "--all"), "[left] *\n[right] *abc\n");
  }, twoGuests));

Deno.test("a guest that crashes while another goes on is told of, with what it did; the other's console goes on", () =>
  withProgram(PROMPT_AND_ECHO, async (board, folder) => {
    // brk #0, with nothing at VBAR_EL1 but itself
    await Deno.writeFile(`${folder}/broken.bin`, new Uint8Array(Uint32Array.of(0xd420_0000).buffer));
    const run = await converse(plugboard(board, "--expect", "abc", "--port", "left"), [{ after: "*", text: "abc" }], { open: true });
    assertEquals(run.code, 0, run.stderr);
    assertStringIncludes(run.stderr, "error: right crashed; the others go on");
    assertStringIncludes(run.stderr, "right, vCPU 0: the exception vector at 0x200 faults on itself");
    assertStringIncludes(run.text, "*abc");
  }, (manifest) => {
    const two = twoGuests(manifest);
    const at = two.lastIndexOf("program.bin");
    return `${two.slice(0, at)}broken.bin${two.slice(at + "program.bin".length)}`;
  }));

Deno.test("--console: a port's bytes go to a file; mistakes are told before anything runs", () =>
  withProgram(PROMPT_AND_ECHO, async (board, folder) => {
    const run = (...args: string[]) =>
      converse(plugboard(board, "--quiet", "--expect", "abc", ...args), [{ after: "", text: "abc" }], { open: true });
    const { text } = await run("--console", `left=${folder}/left.log`);
    assertEquals(text, "*abc");
    assertEquals(await Deno.readTextFile(`${folder}/left.log`), "*");
    for (
      const [setting, says] of [
        [`middle=${folder}/x`, "no device has a serial port middle; there is left, right"],
        ["left", "want NAME=FILE"],
        [`left=${folder}/no/such/x`, "left="],
      ]
    ) {
      const { code, stderr } = await run("--console", setting);
      assertEquals(code, 2);
      assertStringIncludes(stderr, says);
    }
  }, twoGuests));

Deno.test({
  name: "two guests at a terminal: C-a c and C-a 1 choose who is typed to, C-a ? names them, and no line is in another",
  ignore: missing(terminal),
  fn: () =>
    withProgram(PROMPT_AND_ECHO, async (board) => {
      const typing = [
        { after: "[left] *", text: "abc\x01c" },
        { after: "input goes to right", text: "def" },
        { after: "def", text: "\x01?" },
        { after: "C-a 2    console right (chosen)", text: "\x011" },
        { after: "input goes to left", text: "ghi\n" },
        { after: "abcghi", text: "\x01m" },
        { after: "console left alone", text: "jkl" },
        { after: "jkl", text: "\x01x" },
      ];
      const { code, text } = await converse(inTerminal(...plugboard(board)), typing, { open: true });
      assertEquals(code, 0, text);
      assertStringIncludes(text, "[right] *def");
      // deno-lint-ignore no-control-regex -- what the terminal erased
      const rows = text.replaceAll("\r\n", "\n").replace(/^.*\r\x1b\[K/gm, "").split("\n");
      assert(rows.every((row) => row.split("[left]").length + row.split("[right]").length <= 3), text);
    }, twoGuests),
});
