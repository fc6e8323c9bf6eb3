/** Mistakes in what a manifest says of schedulers and pools: each with its line, and the second one where two things collide. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkBoard, CpuEngine, definePlugin, MemoryBackend } from "../../core/mod.ts";
import { schedulerArinc653, schedulerCredit2, schedulerFair, schedulerNull, schedulerRtds } from "./mod.ts";

const hardware = definePlugin({ name: "hardware", doc: "", options: {}, provides: [CpuEngine, MemoryBackend], setup: () => {} });
const plugins = [hardware, schedulerArinc653, schedulerCredit2, schedulerFair, schedulerNull, schedulerRtds];

/** The lines of the schedulers begin at 4; domains follow. */
const manifest = (schedulers: string) =>
  `pcpus: 4
plugins:
  - use: hardware
${schedulers.trim().split("\n").map((line) => `  ${line}`).join("\n")}
domains:
  - { name: linux, vcpus: 2, memory: 1MiB }
  - { name: rtos, memory: 1MiB }
board: test
`;

/** `[line, line] title` of each finding. */
async function check(schedulers: string): Promise<string[]> {
  const { findings } = await checkBoard(manifest(schedulers), "board.yaml", { plugins });
  return findings.map(({ severity, spans, title }) =>
    `${severity === "warning" ? "warning " : ""}[${spans.map(({ line }) => line).join(", ")}] ${title}`
  );
}

Deno.test("good ones: one pool, two pools, affinities, windows", async () => {
  for (
    const schedulers of [
      "- use: scheduler_null",
      "- { use: scheduler_credit2, weights: { linux: 512 }, caps: { rtos: 50 } }",
      "- { use: scheduler_credit2, cpus: 0-2 }\n- { use: scheduler_null, cpus: 3, domains: [rtos] }",
      "- { use: scheduler_credit2 }\n- { use: scheduler_credit2, cpus: [3], domains: [rtos] }",
      '- { use: scheduler_fair, affinity: { linux: ["0-1", 2], rtos: 3 } }',
      "- { use: scheduler_rtds, period: 20ms, budget: 2ms, reservations: { rtos: { period: 5ms, budget: 1ms }, linux: [{ budget: 1ms }] } }",
      "- use: scheduler_arinc653\n  frame: 20ms\n  windows: [{ domain: linux, time: 5ms }, { domain: rtos, time: 5ms }, { domain: linux, vcpu: 1, cpu: 1, time: 9ms }]",
    ]
  ) assertEquals(await check(schedulers), [], schedulers);
});

const rows: [name: string, schedulers: string, ...found: string[]][] = [
  [
    "two for the same",
    "- use: scheduler_null\n- use: scheduler_fair",
    "[5, 4] scheduler_null and scheduler_fair both provide SchedulerPolicy",
  ],
  [
    "a CPU in two pools",
    "- use: scheduler_null\n  cpus: 0-2\n  domains: [linux]\n- use: scheduler_fair\n  cpus: 2,3",
    "[8, 5] CPU 2 is in two pools",
  ],
  ["a CPU that isn't there", "- use: scheduler_null\n  cpus: 2-4", "[5, 1] scheduler_null names CPU 4; the board has CPUs 0 to 3"],
  [
    "a CPU in no pool",
    "- use: scheduler_null\n  cpus: 0-2",
    "warning [5] CPU 3: in no pool, idle for ever",
  ],
  [
    "no CPU left",
    "- use: scheduler_null\n  cpus: 0-3\n  domains: [linux]\n- use: scheduler_fair",
    "[7] no CPU is left for the pool of scheduler_fair",
  ],
  [
    "a domain in two pools",
    "- use: scheduler_null\n  cpus: 0-1\n  domains: [linux]\n- use: scheduler_fair\n  domains: [rtos, linux]",
    "[8, 6] domain linux is in two pools",
  ],
  ["a domain in no pool", "- use: scheduler_null\n  domains: [linux]", "[8, 5] domain rtos is in no pool"],
  ["a domain that isn't there", "- use: scheduler_null\n  domains: [linux, rtso]", "[5] there is no domain rtso", "is in no pool"],
  ["CPUs that are none", "- use: scheduler_null\n  cpus: many", "[5] cpus of scheduler_null is"],
  ["CPUs the wrong way round", "- use: scheduler_null\n  cpus: 3-1", "[5] cpus of scheduler_null is"],
  ["no CPUs", "- use: scheduler_null\n  cpus: []", "[5] cpus of scheduler_null is"],
  [
    "an affinity outside the pool",
    "- use: scheduler_null\n  cpus: 0-1\n  domains: [linux]\n  affinity: { linux: 3 }\n- use: scheduler_fair",
    "[7, 5] the affinity of vCPU 0 of linux leaves it no CPU of its pool",
  ],
  [
    "an affinity in another's pool",
    "- use: scheduler_null\n  cpus: 0-1\n  domains: [linux]\n  affinity: { rtos: 1 }\n- use: scheduler_fair",
    "[7] domain rtos has an affinity in a pool that isn't its own",
  ],
  [
    "an affinity for too many",
    "- use: scheduler_null\n  affinity: { rtos: [1, 2] }",
    "[5, 8] the affinity of rtos is for 2 vCPUs; it has 1",
  ],
  ["an affinity of words", "- use: scheduler_null\n  affinity: { rtos: here }", "[5] affinity of scheduler_null"],
  ["an affinity of nobody", "- use: scheduler_null\n  affinity: { rtso: 1 }", "[5] there is no domain rtso"],
  ["a weight for nobody", "- use: scheduler_fair\n  weights: { rtso: 2 }", '[5] there is no domain "rtso"'],
  ["no weight", "- use: scheduler_credit2\n  weights: { rtos: 0 }", "[5] weights of scheduler_credit2"],
  ["a cap below zero", "- use: scheduler_credit2\n  caps: { rtos: -5 }", "[5] caps of scheduler_credit2"],
  ["weights in a list", "- use: scheduler_fair\n  weights: [2]", "[5] weights of scheduler_fair"],
  [
    "a weight for another's domain",
    "- use: scheduler_credit2\n  cpus: 0-1\n  weights: { rtos: 10 }\n- use: scheduler_fair\n  domains: [rtos]",
    "[6, 11] domain rtos is in another scheduler's pool",
  ],
  [
    "a budget above its period",
    "- use: scheduler_rtds\n  period: 2ms\n  budget: 3ms",
    "[6, 5] the budget, 3 ms, is more than the period, 2 ms",
  ],
  [
    "a reservation above its period",
    "- use: scheduler_rtds\n  reservations: { rtos: { period: 1ms } }",
    "[5] rtos, vCPU 0: the budget, 4000000 ns",
  ],
  [
    "a reservation that is too short",
    "- use: scheduler_rtds\n  reservations: { rtos: { budget: 9us } }",
    "[5] reservations of scheduler_rtds",
  ],
  ["a misspelled reservation", "- use: scheduler_rtds\n  reservations: { rtos: { bugdet: 1ms } }", "[5] reservations of scheduler_rtds"],
  [
    "reservations for too many",
    "- use: scheduler_rtds\n  reservations: { rtos: [{ budget: 1ms }, { budget: 1ms }] }",
    "[5, 8] there are reservations for 2 vCPUs of rtos; it has 1",
  ],
  [
    "budgets that can't all be met",
    "- use: scheduler_rtds\n  cpus: 0\n  budget: 9ms\n  domains: [linux]\n- { use: scheduler_null, cpus: 1-3 }",
    "warning [4] the budgets add up to 1.80 CPUs; the pool has 1",
  ],
  [
    "budgets that may not all be met",
    "- use: scheduler_rtds\n  cpus: 0-1\n  reservations: { linux: [{ budget: 9ms }, { budget: 2ms }], rtos: { budget: 1ms } }\n- { use: scheduler_null, cpus: 2-3, domains: [] }",
    "warning [4] the budgets add up to 1.20 CPUs; on 2 they are sure to be met up to 1.10",
  ],
  [
    "windows that are longer than the frame",
    "- use: scheduler_arinc653\n  frame: 5ms\n  windows: [{ domain: rtos, time: 6ms }]",
    "[6, 5] the windows of CPU 0 take 6000000 ns; the frame has 5000000 ns",
  ],
  [
    "a window for nobody",
    "- use: scheduler_arinc653\n  windows:\n    - { time: 1ms }\n    - { domain: rtso, time: 1ms }",
    '[7] there is no domain "rtso"',
  ],
  [
    "a window for no vCPU",
    "- use: scheduler_arinc653\n  windows:\n    - { domain: rtos, time: 1ms }\n    - { domain: rtos, vcpu: 1, time: 1ms }",
    "[7, 10] a window is for vCPU 1 of rtos, which has 1",
  ],
  [
    "a window on a CPU of another pool",
    "- use: scheduler_arinc653\n  cpus: 0-1\n  domains: [rtos]\n  windows:\n    - { domain: rtos, cpu: 2, time: 1ms }\n- use: scheduler_null",
    "[8] a window is on CPU 2",
  ],
  [
    "one vCPU in two places",
    "- use: scheduler_arinc653\n  windows:\n    - { domain: rtos, time: 3ms }\n    - { cpu: 1, time: 2ms }\n    - { domain: rtos, cpu: 1, time: 3ms }",
    "[8, 6] vCPU 0 of rtos has windows on CPU 0 and CPU 1 at the same time",
  ],
  [
    "no window",
    "- use: scheduler_arinc653\n  windows: [{ domain: rtos, time: 3ms }, { domain: linux, time: 2ms }]",
    "warning [7, 5] vCPU 1 of linux has no window",
  ],
  ["windows that can't be read", "- use: scheduler_arinc653\n  windows: [{ domain: rtos }]", "[5] windows of scheduler_arinc653"],
];

for (const [name, schedulers, ...wanted] of rows) {
  Deno.test(`found: ${name}`, async () => {
    const found = (await check(schedulers)).join("\n");
    for (const part of wanted) assertStringIncludes(found, part);
  });
}

Deno.test("check prints the pools, the windows and what is promised", async () => {
  const { board } = await checkBoard(
    manifest(
      "- use: scheduler_rtds\n  cpus: 0\n  domains: [rtos]\n  reservations: { rtos: { budget: 1ms, extratime: false } }\n- use: scheduler_arinc653\n  cpus: 1-2\n" +
        "  windows: [{ domain: linux, time: 5ms }, { cpu: 2, time: 1ms }, { domain: linux, vcpu: 1, cpu: 2, time: 9ms }]\n" +
        "- { use: scheduler_null, cpus: 3, domains: [] }",
    ),
    "board.yaml",
    { plugins },
  );
  assertEquals(board!.plugins.flatMap(({ plugin, options }) => plugin.resources?.(options, { board: board! }).report ?? []), [
    "scheduler_rtds: CPU 0: rtos",
    "  rtos, vCPU 0: 1 ms of each 10 ms",
    "scheduler_arinc653: CPU 1, 2: linux",
    "  frame of 10 ms",
    "  CPU 1, 0 to 5 ms: linux, vCPU 0",
    "  CPU 2, 0 to 1 ms: nobody",
    "  CPU 2, 1 to 10 ms: linux, vCPU 1",
    "scheduler_null: CPU 3: no domain",
  ]);
});
