/** `run --gdb` as a user has it: a process with a console, an exit code, and GDB beside it. */
import { assertEquals, assertMatch } from "@std/assert";
import { assemble, assembler, missing } from "../support/toolchain.ts";
import { BOARD, runCli } from "../support/program.ts";
import { appears, assertSeen, gdb, writeScript } from "./gdb.ts";

interface Session {
  readonly code: number;
  readonly stderr: string;
  readonly lines: readonly string[];
}

/** Runs a program on a board of its own, waiting for GDB, which runs a script. `interrupts`: Ctrl-C is pressed once GDB says this. */
async function session(program: readonly string[], script: readonly string[], interrupts?: string): Promise<Session> {
  const folder = await Deno.makeTempDir({ prefix: "plugboard-gdb-" });
  try {
    const words = assemble(program).map((one) => "word" in one ? one.word : 0);
    await Deno.writeFile(`${folder}/program.bin`, new Uint8Array(Uint32Array.from(words).buffer));
    await Deno.writeTextFile(`${folder}/board.yaml`, BOARD);
    const run = runCli([`${folder}/board.yaml`, "--gdb", `unix:${folder}/gdb`, "--gdb-wait", "--wall-timeout", "300s"]);
    await appears(`${folder}/gdb`);
    const file = await writeScript(folder, `${folder}/gdb`, script);
    const child = new Deno.Command(gdb.command, { args: ["-batch", "-nx", "-x", file], stdout: "piped", stderr: "null" })
      .spawn();
    let output = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      const before = output;
      output += decoder.decode(chunk, { stream: true });
      // GDB has said so, and lets the guest run then.
      if (interrupts && output.includes(interrupts) && !before.includes(interrupts)) setTimeout(() => child.kill("SIGINT"), 1500);
    }
    await child.status;
    const { code, stderr } = await run;
    return { code, stderr, lines: output.split("\n") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const ignore = missing(gdb, assembler);

Deno.test({
  name: "run --gdb --gdb-wait: the guest begins when GDB says so, Ctrl-C halts it, kill ends the run",
  ignore,
  async fn() {
    const { stderr, lines } = await session(["add x1, x1, #1", "b .-4"], [
      "print $x1",
      "echo runs\\n",
      "continue",
      "info registers x1",
      "stepi 2",
      "print $x1 > 1000",
      "kill",
    ], "runs");
    assertMatch(stderr, /gdb +target extended-remote .*, which the machine waits for/);
    assertSeen(lines, [/^\$1 = 0/, /^runs/, /SIGINT|Interrupt/, /^x1 +0x/, /^\$2 = 1/]);
  },
});

Deno.test({
  name: "a guest that crashes halts where it did, to be looked at, before the run ends with 3",
  ignore,
  async fn() {
    // Vectors where there is no memory: a fault there is a fault again.
    const { code, lines } = await session(["movz x1, #0x6008, lsl #16", "msr vbar_el1, x1", "isb", "brk #1", "nop"], [
      "continue",
      "print/x $VBAR_EL1",
      "print/x $ELR_EL1",
      "monitor ps",
      "continue",
    ]);
    assertSeen(lines, [/SIGABRT/, /^\$1 = 0x/, /^\$2 = 0x/, /terminated with signal SIGABRT/]);
    assertEquals(code, 3);
  },
});

Deno.test("an address that is none, or that somebody has, is an error of usage", async () => {
  const folder = await Deno.makeTempDir({ prefix: "plugboard-gdb-" });
  const listener = Deno.listen({ transport: "unix", path: `${folder}/gdb` });
  try {
    for (
      const [address, message] of [["localhost:http", /want PORT, HOST:PORT or unix:PATH/], [`unix:${folder}/gdb`, /in use/i]] as const
    ) {
      const { code, stderr } = await runCli(["boards/tour.yaml", "--gdb", address]);
      assertEquals(code, 2);
      assertMatch(stderr, message);
    }
  } finally {
    listener.close();
    await Deno.remove(folder, { recursive: true });
  }
});
