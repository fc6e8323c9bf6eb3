/**
 * `parallel: true`: the same guests on CPUs that are threads. What a guest may see of another CPU's accesses is asked by one that counts
 * (examples/guests/litmus); PLUGBOARD_LITMUS says how many times it runs.
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { checkBoard } from "../../core/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { changed } from "../guests/debian_images.ts";
import { Session } from "../guests/session.ts";

const root = new URL("../../", import.meta.url);
const tourManifest = await Deno.readTextFile(new URL("boards/tour.yaml", root));
const litmusRuns = Number(Deno.env.get("PLUGBOARD_LITMUS") ?? 1);

/** The tour's board with another guest. */
async function start(guest: string, set: Readonly<Record<string, string>>): Promise<Session> {
  const kernel = await Deno.readFile(new URL(`examples/guests/${guest}.bin`, root));
  const text = changed(tourManifest, [["../examples/guests/tour/tour.bin", "guest.bin"]]);
  return await Session.start(text, { images: new Map([["guest.bin", kernel]]), checksTables: false, set });
}

/** Threads of Workers in this process. */
function workerThreads(): number {
  return [...Deno.readDirSync("/proc/self/task")].filter(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/self/task/${name}/comm`).startsWith("worker-");
    } catch {
      return false; // it has ended meanwhile
    }
  }).length;
}

/** Those of this test file itself, when it runs in one. */
const before = workerThreads();

/** Waits until there are no others, for ten seconds at most. */
async function noThreads(): Promise<void> {
  for (let n = 0; n < 1000 && workerThreads() > before; n++) await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(workerThreads(), before, "threads outlive their machine");
}

for (let run = 0; run < litmusRuns; run++) {
  Deno.test(`two CPUs see of each other what the architecture lets them, run ${run}`, async () => {
    using guest = await start("litmus/litmus", { parallel: "true", "domains.tour.vcpus": "2", "plugins.cpu_a64.model": "max" });
    assertEquals(guest.finish(600e9).kind, "power-off", guest.console);
    assertStringIncludes(guest.console, "litmus complete");
    assert(!guest.console.includes("FAIL"), guest.console);
    assertEquals(guest.console.trim().split("\n").length, 17, guest.console);
  });
}

const withoutLatencies = (console: string) => console.replace(/answered in \d+ us/g, "answered in N us").replaceAll("\r", "");

Deno.test("the tour says the same: four vCPUs on two CPUs, in turn and in parallel", async () => {
  using inTurn = await start("tour/tour", {});
  inTurn.finish();
  {
    using parallel = await start("tour/tour", { parallel: "true" });
    assertEquals(parallel.finish(60e9), { kind: "power-off", domain: "tour", code: undefined });
    assertEquals(withoutLatencies(parallel.console), withoutLatencies(inTurn.console));
  }
  await noThreads();
});

Deno.test("a machine that is disposed of while its guests run leaves no thread behind", async () => {
  {
    using guest = await start("litmus/litmus", { parallel: "true", "domains.tour.vcpus": "2" });
    guest.until("exclusives");
    assertEquals(workerThreads(), before + 2);
    assertThrows(() => guest.machine.debugger, Error, "no debugger");
  }
  await noThreads();
});

Deno.test("a domain is destroyed in the middle of its run, and another one takes its place", async () => {
  using guest = await start("litmus/litmus", { parallel: "true", "domains.tour.vcpus": "2" });
  guest.until("exclusives");
  const { machine } = guest;
  for (let n = 1; n <= 3; n++) {
    await machine.reboot("tour");
    guest.until("exclusives", 60e9);
  }
  machine.destroyDomain(machine.domains[0]);
  assertEquals(machine.memory.usage().get("tour"), undefined);
});

Deno.test("a fork goes on from where its machine was, with threads of its own", async () => {
  using guest = await start("tour/tour", { parallel: "true" });
  guest.machine.runFor(25e6, Infinity);
  let text = "";
  const fork = await guest.machine.fork({ onSerial: (_, bytes) => void (text += new TextDecoder().decode(bytes)) });
  try {
    let reason;
    while (reason === undefined && fork.nowNs < 60e9) reason = fork.runFor(1e6, Infinity);
    assertEquals(reason?.kind, "power-off");
    assertStringIncludes(text, "Tour complete: 4 CPUs, 20 ticks");
  } finally {
    fork.dispose();
  }
  assertEquals(guest.finish(60e9).kind, "power-off");
});

Deno.test("what doesn't go with parallel CPUs is found before anything starts", async () => {
  const findings = async (set: Readonly<Record<string, string>>) => {
    const overrides = Object.entries({ parallel: "true", ...set }).map(([path, value]) => ({ flag: "--set", path, value }));
    return (await checkBoard(tourManifest, "tour.yaml", { plugins, overrides })).findings.map(({ title }) => title);
  };
  assertEquals(await findings({}), []);
  assertEquals(await findings({ pcpus: "9" }), ["at most 8 CPUs run in parallel"]);
  assertEquals(await findings({ "plugins.cpu_a64.profile": "report", "plugins.cpu_a64.break_before_make": "report" }), [
    "profile watches one thread, and with `parallel: true` there are several",
    "break_before_make watches one thread, and with `parallel: true` there are several",
  ]);
});
