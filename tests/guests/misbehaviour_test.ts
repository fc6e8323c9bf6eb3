/** The guests of examples/guests/hostile: what their reports say, and that what others may not notice stays unnoticed. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runCli } from "../support/program.ts";
import { Session } from "./session.ts";

const folder = new URL("../../examples/guests/hostile/", import.meta.url).pathname;

/** A board of the folder with another guest. */
const start = (guest: string) =>
  Session.start(`${folder}board.yaml`, { set: { "domains.guest.plugins.linux_boot.kernel": `${guest}.bin` }, wallLimitMs: 30_000 });

interface Row {
  readonly guest: string;
  readonly prints?: string;
  /** Lines of the report, in their order. */
  readonly says: readonly string[];
}

const crashes: readonly Row[] = [
  {
    guest: "garbage",
    prints: "about to execute garbage",
    says: [
      "guest, vCPU 0: the exception vector at 0x200 faults on itself",
      "PC      0x0000000000000200  not mapped",
      "PSTATE  EL1h",
      "ESR_EL1 0x8600_0010: instruction abort from the same Exception level, synchronous external abort",
      "FAR_EL1 0x0000000000000200",
      "began   0x0000000040080034  .inst 0xffffffff, ESR_EL1 0x0200_0000: unknown reason (UNDEFINED instruction)",
      "x0 ",
      "x30 ",
      "instruction abort: guest vCPU 0 at 0x200 fetches from 0x200, where nothing is",
    ],
  },
  {
    guest: "nowhere_ipa",
    says: [
      "the exception vector at 0x200 faults on itself",
      "began   0x0000007000000000  not mapped, ESR_EL1 0x8600_0010: instruction abort from the same Exception level, synchronous external abort",
      "fetches from 0x0070_0000_0000, where nothing is",
    ],
  },
  {
    guest: "nowhere_va",
    says: [
      "the exception vector at 0x200 faults on itself",
      "ESR_EL1 0x8600_0005: instruction abort from the same Exception level, translation fault, level 1",
      "began   0x0000001234000000  not mapped, ESR_EL1 0x8600_0005",
      "x30 0x0000000040080048", // who called
    ],
  },
  {
    guest: "vector_loop",
    prints: "about to fault in the vector that handles faults",
    says: [
      "the exception vector at 0x4008_0a00 faults on itself",
      "PC      0x0000000040080a00  ldr x0, [x1]",
      "data abort from the same Exception level, read, synchronous external abort",
      "FAR_EL1 0x0000005000000000",
      "read of VA 0x0050_0000_0000, IPA 0x0050_0000_0000: nothing is there",
    ],
  },
  {
    guest: "handler_loop",
    says: [
      "the same fault at 0x4008_0020 without end, none of which is returned from",
      "from    0x0000000040080020  ldr x0, [x1], at EL1h",
      "began   0x0000000040080010  ldr x0, [x1]",
    ],
  },
  {
    guest: "recursion",
    says: [
      "the same fault at 0x4008_0018 without end",
      "SP 0x0000000040000000",
      "from    0x0000000040080018  stp x0, x1, [sp, #-16]!",
      "began   0x0000000040080014  brk #1, ESR_EL1 0xf200_0001: BRK, immediate 0x1",
    ],
  },
  {
    guest: "walk",
    says: [
      "the exception vector at 0x200 faults on itself",
      "ESR_EL2 0x8200_0085: instruction abort from a lower Exception level, translation fault, level 1, on a stage 1 walk",
      "began   0x0000000040080024",
    ],
  },
];

function assertInOrder(text: string, parts: readonly string[]): void {
  let from = 0;
  for (const part of parts) {
    const at = text.indexOf(part, from);
    assert(at >= 0, `${JSON.stringify(part)} isn't there, or not in its place:\n${text}`);
    from = at + part.length;
  }
}

for (const { guest, prints = "", says } of crashes) {
  Deno.test(`hostile/${guest}: ends with a report of where and how it came there`, async () => {
    using session = await start(guest);
    const { kind, domain, report } = session.finish(1e9);
    assertEquals([kind, domain], ["crash", "guest"]);
    assertInOrder(report!, says);
    assertStringIncludes(session.console, prints);
    assertEquals(session.machine.stats.traced.get("plugin failure"), undefined);
  });
}

Deno.test("hostile/unmapped: each access to where nothing is gives the abort that the guest expects, and it goes on", async () => {
  using session = await start("unmapped");
  assertEquals(session.finish(1e9), { kind: "power-off", domain: "guest", code: undefined });
  assertEquals(session.console, "PASS unmapped\n");
});

Deno.test("hostile/idle: the machine says that nothing can happen, and what waits", async () => {
  using session = await start("idle");
  const { kind, report } = session.finish(1e9);
  assertEquals(kind, "idle-forever");
  assertEquals(
    report,
    "every vCPU waits, no timer is armed, and no input can come:\n" +
      "  vCPU 0 of guest: waits for an interrupt, PC 0x4008_0038 (b 0x40080034), EL1h, nzcv DAIF\n" +
      "      timers      virtual off; physical off\n" +
      "      interrupts  none pending or active",
  );
});

const endings: [guest: string, args: string[], code: number, says: string[]][] = [
  ["endless", ["--smp", "2"], 4, [
    "vCPU 0 of guest: runnable, PC 0x4008_0030 (b 0x40080030), EL1h",
    "vCPU 1 of guest: never started",
    "error: no progress: every vCPU that runs is in an empty loop with interrupts masked",
  ]],
  ["idle", [], 4, ["every vCPU waits", "vCPU 0 of guest: waits for an interrupt", "error: nothing can happen any more"]],
  ["recursion", [], 3, ["guest, vCPU 0: the same fault", "error: guest crashed", "end    guest crashed;"]],
  ["unmapped", ["--expect", "PASS unmapped"], 0, ["end    everything expected came"]],
];
for (const [guest, args, code, says] of endings) {
  Deno.test(`hostile/${guest} ${args.join(" ")}: exit code ${code}`, async () => {
    const outcome = await runCli([`${folder}board.yaml`, "--kernel", `${folder}${guest}.bin`, ...args]);
    assertInOrder(outcome.stderr, says);
    assertEquals(outcome.code, code, outcome.stderr);
  });
}
