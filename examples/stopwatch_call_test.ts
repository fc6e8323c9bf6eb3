import { assertEquals, assertStringIncludes } from "@std/assert";

/** mov x0, #0xc3000001 in two steps, and what X1 asks for. */
const ASK = [0xd2b8_6000, 0xf280_0020];
const NANOSECONDS = 0xd280_0001, CALLS = 0xd280_0021;
const HVC = 0xd400_0002, SMC = 0xd400_0003;
/** movz x2, #0x900, lsl #16: the UART; add w1, w1, #'0'; str w1, [x2] */
const SHOW_DIGIT = [0xd2a1_2002, 0x1100_c021, 0xb900_0041];
/** cbz x1, .+8: shows nothing when no time has passed; adds '+' otherwise: movz w1, #'+'; str w1, [x2]. */
const SHOW_SIGN = [0xd2a1_2002, 0xb400_0061, 0x5280_0561, 0xb900_0041];
const POWER_OFF = [0xd2b0_8000, 0xf280_0100];

for (const [conduit, call] of [["hvc", HVC], ["smc", SMC]] as const) {
  Deno.test(`a guest calls a third party's service by ${conduit}`, async () => {
    const root = new URL("..", import.meta.url).pathname;
    const directory = await Deno.makeTempDir();
    const program = [...ASK, NANOSECONDS, call, ...SHOW_SIGN, ...ASK, CALLS, call, ...SHOW_DIGIT, ...POWER_OFF, call];
    await Deno.writeFile(`${directory}/program.bin`, new Uint8Array(new Uint32Array(program).buffer));
    await Deno.writeTextFile(
      `${directory}/board.yaml`,
      `board: call
memory: 80MiB
plugins:
  [{ use: cpu_a64 }, { use: vmsa }, { use: scheduler_null }, { use: gicv3 }, { use: generic_timer }, { use: psci, conduit: ${conduit} }, { use: smccc }]
domains:
  - name: guest
    memory: [{ at: 0x4000_0000, size: 64MiB }]
    plugins:
      - use: ${root}examples/stopwatch_call.ts
      - use: pl011
      - use: fdt
      - { use: linux_boot, kernel: program.bin, format: raw, load: 0x4008_0000, entry: 0x4008_0000 }
`,
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `${root}mod.ts`, `${directory}/board.yaml`, "--wall-timeout", "20s"],
    }).output();
    await Deno.remove(directory, { recursive: true });
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertEquals(new TextDecoder().decode(stdout), "+2", "time passed, and that was the second call");
    assertStringIncludes(new TextDecoder().decode(stderr), `${conduit} 3`);
  });
}
