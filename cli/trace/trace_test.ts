/** Traces of a run: what they hold, that they add up, and that no guest sees them. */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { DOMParser } from "@xmldom/xmldom";
import type { CpuEngine, Vcpu } from "../../core/mod.ts";
import { plugboard } from "../in_process.ts";
import type { RunResult } from "../run/result.ts";
import { Filter } from "./filter.ts";
import { flameSvg } from "./flame_svg.ts";
import { HotExits } from "./hot_exits.ts";
import { Traces } from "./mod.ts";

interface Event {
  readonly name: string;
  readonly cat?: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly args: { readonly name?: string; readonly instructions?: number };
}

/** Runs the tour of four vCPUs with options; `$` is a folder of its own. */
async function tour(...options: string[]): Promise<{ result: RunResult; read(name: string): Promise<string>; end(): Promise<void> }> {
  const folder = await Deno.makeTempDir();
  const { code, stderr } = await plugboard(
    ...["boards/tour.yaml", "-q", "--console", "console=/dev/null", "--result", `${folder}/result`],
    ...options.map((option) => option.replace("$", folder)),
  );
  assertEquals(code, 0, stderr);
  const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
  return { result: JSON.parse(await read("result")), read, end: () => Deno.remove(folder, { recursive: true }) };
}

const figures = ({ instructions, virtualNs, exits }: RunResult) => ({ instructions, virtualNs, exits });

Deno.test("traces: a timeline has a process for the domain and a thread for each vCPU, and adds up to what the run says", async () => {
  const { result, read, end } = await tour("--trace", "$/t.json");
  const events: Event[] = JSON.parse(await read("t.json")).traceEvents;
  await end();
  assertEquals(events.filter(({ name }) => name === "process_name").map(({ args }) => args.name), ["tour", "board"]);
  assertEquals(
    events.filter(({ name }) => name === "thread_name").map(({ args }) => args.name).sort(),
    [0, 1, 2, 3].map((n) => `vCPU ${n}`),
  );
  const sum = events.filter(({ name }) => name === "run").reduce((total, { args }) => total + args.instructions!, 0);
  assertEquals(sum, result.instructions);
  for (const kind of ["hvc", "mmio", "sysreg", "wfi"]) {
    const marks = events.filter(({ cat, ph }) => cat === kind && ph === "i").length;
    assertEquals(marks, result.exits[kind] ?? 0, kind);
  }
  assert(events.some(({ name, cat }) => cat === "mmio" && name === "tour/pl011 (registers) write"));
  // 20 ticks of four vCPUs' timers, and three inter-processor interrupts with their answers.
  const interrupts = events.filter(({ cat }) => cat === "irq").map(({ name }) => name);
  assertEquals(interrupts.filter((name) => name === "INTID 27").length, 20);
  for (let tid = 0; tid < 4; tid++) {
    const slices = events.filter((event) => event.tid === tid && event.pid === 1 && event.ph === "X").sort((a, b) => a.ts - b.ts);
    slices.slice(1).forEach((slice, n) =>
      assert(slice.ts >= slices[n].ts + slices[n].dur - 1e-6, `vCPU ${tid}: slices overlap at ${slice.ts}`)
    );
    assert(slices.some(({ name }) => name === "WFI"));
  }
});

Deno.test("traces: no guest sees any of them", async () => {
  const plain = await tour();
  // The window has ticks of timers and interrupts between vCPUs.
  const traced = await tour("--trace", "$/t.json", "--tarmac", "$/t.tarmac", "--flame", "$/t.folded", "--trace-window", "10ms..11ms");
  assertEquals(figures(traced.result), figures(plain.result));
  const lines = await traced.read("t.tarmac");
  assertMatch(lines, / E [0-9a-f]{8} 00000085 CoreEvent_CURRENT_SPx_IRQ\n/);
  assert([...lines.matchAll(/ IT \(/g)].length > 100);
  await plain.end();
  await traced.end();
});

/** Lines of a Tarmac trace, by kind. */
const forms = {
  instructions: /^\d+ clk cpu\d+ IT \(\d+\) [0-9a-f]{8,16} [0-9a-f]{8} O EL[01][ht]_n : \S.*$/,
  memory: /^\d+ clk cpu\d+ M[RW](1|2|4|8)X? [0-9a-f]{8,16}(:[0-9a-f]{12}_NS)? [0-9a-f_]{2,17}$/,
  registers: /^\d+ clk cpu\d+ R (X\d+|SP_EL[01]|\w+_EL1) [0-9a-f]{16}$|^\d+ clk cpu\d+ R cpsr [0-9a-f]{8}$/,
  exceptions: /^\d+ clk cpu\d+ E [0-9a-f]{8,16} 0000008[0-9a-f] CoreEvent_\w+$/,
};

Deno.test("traces: Tarmac's lines", async () => {
  const { read, end } = await tour("--tarmac", "$/t", "--trace-window", "..30us");
  const lines = (await read("t")).trimEnd().split("\n");
  await end();
  for (const line of lines) assert(Object.values(forms).some((form) => form.test(line)), line);
  assertEquals(lines.slice(0, 3), [
    "1 clk cpu0 IT (1) 40000000 14000200 O EL1h_n : b 0x40000800",
    "2 clk cpu0 IT (2) 40000800 aa0003f3 O EL1h_n : mov x19, x0",
    "2 clk cpu0 R X19 0000000042000000",
  ]);
  const at = lines.findIndex((line) => line.includes(" str xzr, [x0], #8"));
  assertMatch(lines[at + 1], /^\d+ clk cpu0 MW8 40003000:000040003000_NS 00000000_00000000$/);
  // A store that a device model answers: one line, when it is done; there is no RAM behind it.
  const printed = lines.filter((line) => line.includes(" MW4 09000000 ")).map((line) => String.fromCharCode(parseInt(line.slice(-8), 16)));
  assertMatch(printed.join(""), /^\r\nPlugboard/);
});

Deno.test("traces: what Tarmac says is loaded is what comes to the register, and was stored before", async () => {
  const { read, end } = await tour("--tarmac", "$/t", "--trace-window", "..60us", "--smp", "1");
  const lines = (await read("t")).trimEnd().split("\n");
  await end();
  const memory = new Map<string, string>();
  let [loaded, known] = [0, 0];
  lines.forEach((line, n) => {
    const [, direction, address, data] = line.match(/ M([RW])8 ([0-9a-f]{8}):\w+ (\w+)$/) ?? [];
    if (direction === undefined) return;
    if (direction === "W") return void memory.set(address, data);
    if (memory.has(address)) {
      assertEquals(data, memory.get(address), line);
      known++;
    }
    const register = lines[n - 1].match(/ ldr (x\d+), \[/)?.[1].toUpperCase();
    const written = lines.slice(n + 1, n + 3).find((next) => next.includes(` R ${register} `));
    if (written === undefined) return;
    assertEquals(written.split(" ").at(-1), data.replace("_", ""), line);
    loaded++;
  });
  assert(loaded > 100 && known > 100, `${loaded} loads to registers, ${known} of what was stored`);
});

Deno.test("traces: Tarmac has only the lines that are asked for", async () => {
  const { read, end } = await tour("--tarmac", "$/t", "--trace-window", "..30us", "--tarmac-only", "memory,exceptions");
  const lines = (await read("t")).trimEnd().split("\n");
  await end();
  for (const line of lines) assert(forms.memory.test(line) || forms.exceptions.test(line), line);
  assertThrows(
    () => new Filter({ tarmacOnly: "memory,loads" }),
    Error,
    "there is no loads, but instructions, memory, registers, exceptions",
  );
});

Deno.test("traces: folded stacks with the names of a file, and their picture", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/symbols`, "0000000040000000 T first & <last>\n");
    const { read, end } = await tour("--flame", "$/t.folded", "--symbols", `${folder}/symbols`);
    const folded = await read("t.folded");
    await end();
    for (const line of folded.trimEnd().split("\n")) assertMatch(line, /^tour(;first)+ \d+$/);
    const svg = flameSvg(folded.replaceAll("first", "a < b & c"), "tour");
    const problems: string[] = [];
    const document = new DOMParser({ onError: (_level, message) => void problems.push(message) }).parseFromString(svg, "image/svg+xml");
    assertEquals(problems, []);
    assertStringIncludes(document.getElementsByTagName("title")[0].textContent ?? "", "all: ");
    assertStringIncludes(flameSvg("", "nothing"), "0 samples");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("traces: filters take kinds, domains and a window of time", async () => {
  const { read, end } = await tour(
    "--trace",
    "$/t.json",
    "--trace-only",
    "irq,devices",
    "--trace-window",
    "10ms..20.5ms",
    "--trace-domain",
    "tour",
  );
  const events: Event[] = JSON.parse(await read("t.json")).traceEvents;
  await end();
  const real = events.filter(({ ph }) => ph !== "M");
  assertEquals([...new Set(real.map(({ cat }) => cat))], ["irq"]);
  assert(real.length >= 8 && real.every(({ ts }) => ts >= 10_000 && ts < 20_500));
  for (
    const [options, message] of [
      [{ traceOnly: "irq,naps" }, "there is no naps"],
      [{ traceWindow: "20ms..10ms" }, "want FROM..TO"],
      [{ traceWindow: "soon" }, "want FROM..TO"],
    ] as const
  ) assertThrows(() => new Filter(options), Error, message);
  assertThrows(() => new Traces({ traceDomain: ["other"] }, ["tour"]), Error, "--trace-domain other: there is tour");
  assertThrows(() => new Traces({ trace: "/nowhere/t.json" }, []), Error, "--trace /nowhere/t.json");
});

Deno.test("traces: without one nothing stands in a machine", () => {
  assertEquals(new Traces({}, []).instrument, undefined);
});

Deno.test("traces: hot exits add up what one function asks for, most first", () => {
  const exits = new HotExits();
  // WFI: EC 1, ISS 0.
  const state = { pc: 0x100n, read: () => 1n << 26n };
  const vcpu = { state, domain: { name: "guest" } } as unknown as Vcpu;
  for (const pc of [0x100n, 0x104n, 0x200n]) {
    state.pc = pc;
    exits.exit(vcpu, 0, {} as CpuEngine, () => undefined);
  }
  const summary = exits.summary((_, va) => va < 0x200n ? "idle" : undefined);
  assertEquals(summary.split("\n").map((line) => line.trim()), [
    "exits to EL2, 3 in all:",
    "2   66.7 %  WFI  by guest in idle",
    "1   33.3 %  WFI  by guest in 0x200",
  ]);
});
