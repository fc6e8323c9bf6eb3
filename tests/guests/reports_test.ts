/** Guests that hang or crash, each in its way: what the report says of what every vCPU was doing and what it waited for. */
import { assertEquals, assertMatch } from "@std/assert";
import { plugboard } from "../../cli/in_process.ts";
import { runProgram } from "../support/program.ts";
import { debianBoard } from "./debian_images.ts";

interface Row {
  readonly name: string;
  readonly program: readonly number[];
  readonly args?: readonly string[];
  readonly code: number;
  readonly says: readonly RegExp[];
}

/** The timer's condition is met now: msr cntv_tval_el0, xzr by x0; cntv_ctl_el0 = 1. */
const ARM_TIMER = [0xd280_0000, 0xd51b_e300, 0xd280_0020, 0xd51b_e320];
/** 1: wfi; b 1b */
const WAIT = [0xd503_207f, 0x17ff_ffff];
/** GICD_CTLR, GICR_WAKER, GICR_IGROUPR0, GICR_ISENABLER0 for INTID 27, ICC_PMR_EL1, ICC_IGRPEN1_EL1. */
const OPEN_GIC = [
  ...[0xd2a1_0001, 0x5280_0240, 0xb900_0020, 0xd2a1_0142, 0xb900_145f, 0x9140_4042, 0x1280_0000, 0xb900_8040],
  ...[0x52a1_0000, 0xb901_0040, 0xd280_1e00, 0xd518_4600, 0xd280_0020, 0xd518_cce0],
];

const rows: Row[] = [
  {
    name: "waits, and its GIC was never turned on",
    program: [...ARM_TIMER, ...WAIT],
    code: 4,
    says: [
      /nothing can happen any more/,
      /vCPU 0 of guest: waits for an interrupt, PC 0x4008_0014/,
      /timers +virtual fired [\d.]+ µs ago; physical off/,
      /interrupts +INTID 27 \(PPI\) pending, priority 0x0, not enabled, group 0 is off in the distributor, group 0 is off in the CPU/,
      /PSTATE masks IRQ and FIQ/,
    ],
  },
  {
    name: "waits in a loop, and masks what it waits for",
    program: [...OPEN_GIC, ...ARM_TIMER, ...WAIT],
    code: 4,
    says: [
      /no progress: every vCPU that runs is in an empty loop with interrupts masked/,
      /interrupts +INTID 27 \(PPI\) pending, priority 0x0\n +PSTATE masks IRQ and FIQ/,
    ],
  },
  {
    name: "counts for longer than it may, in virtual time",
    program: [0x9100_0400, 0x17ff_ffff], // add x0, x0, #1; b .-4
    args: ["--timeout", "5ms"],
    code: 4,
    says: [/when the time was over:\n +vCPU 0 of guest: runnable, PC 0x4008_000/, /error: timeout: 5ms of virtual time passed/],
  },
  {
    name: "counts for longer than it may, by the host's clock",
    program: [0x9100_0400, 0x17ff_ffff],
    args: ["--wall-timeout", "300ms"],
    code: 4,
    says: [/vCPU 0 of guest: runnable/, /error: timeout: 300ms of wall time passed/],
  },
  {
    name: "sets its timer, masks it there, and waits for it",
    // CNTV_CTL_EL0 = 3; CNTV_TVAL_EL0 = 1 << 30
    program: [0xd280_0060, 0xd51b_e320, 0xd2a8_0000, 0xd51b_e300, ...WAIT],
    code: 4,
    says: [/timers +virtual fires in 17\.\d+ s, but its interrupt is masked \(IMASK\)/, /interrupts +none pending or active/],
  },
  {
    // mov sp, #0x41000000; x29 = 0; bl; then twice: stp x29, x30, [sp, #-16]!; mov x29, sp; bl. At the end: udf.
    name: "crashes in a function that another one called",
    program: [
      ...[0xd2a8_2000, 0x9100_001f, 0xd280_001d, 0x9400_0001, 0xa9bf_7bfd, 0x9100_03fd, 0x9400_0001, 0xa9bf_7bfd, 0x9100_03fd, 0],
    ],
    code: 3,
    says: [/faults on itself/, /called by +0x4008_001c, 0x4008_0010\n/],
  },
];

for (const { name, program, args, code, says } of rows) {
  Deno.test(`reports: a guest that ${name}`, async () => {
    const outcome = await runProgram(program, args);
    assertEquals(outcome.code, code, outcome.stderr);
    for (const text of says) assertMatch(outcome.stderr, text);
  });
}

const debian = await debianBoard("debian");

Deno.test({
  name: "reports: Debian's kernel without a root panics, and the report has names",
  ignore: debian.images === undefined,
  fn: async () => {
    const { code, stderr } = await plugboard("boards/debian.yaml", "-q", "--append", "console=ttyAMA0 rdinit=/nothing root=/dev/nowhere");
    assertEquals(code, 3, stderr);
    assertMatch(stderr, /kernel panicked: Kernel panic - not syncing: VFS: Unable to mount root fs on/);
    assertMatch(stderr, /called by +.*panic/);
  },
});

Deno.test({
  name: "reports: of a kernel that a program asked something of, the program's calls come as well, with names from its symbols",
  ignore: debian.images === undefined,
  fn: async () => {
    const crash = ["-q", "--expect", "/^# $/", "--send", "echo c > /proc/sysrq-trigger\\n", "--expect", "never"];
    const symbols = await Deno.makeTempFile();
    try {
      // Busybox has no symbols any more: these stand for them.
      const lines = Array.from({ length: 0x40 }, (_, n) => `${(0x40_0000 + n * 0x8000).toString(16).padStart(16, "0")} T part${n}\n`);
      await Deno.writeTextFile(symbols, lines.join(""));
      const { code, stderr } = await plugboard("boards/debian.yaml", ...crash, "--symbols", symbols);
      assertEquals(code, 3, stderr);
      assertMatch(stderr, /called by +.*panic\+.*sysrq_handle_crash/);
      assertMatch(stderr, /program +at 0x004[0-9a-f]_[0-9a-f]{4} part\d+\+0x[0-9a-f]+, called by part\d+\+0x/);
    } finally {
      await Deno.remove(symbols);
    }
  },
});
