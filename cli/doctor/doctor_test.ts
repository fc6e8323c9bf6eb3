/** The doctor's findings, on hosts that lack one thing each, and on this one. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isFit, printDiagnoses } from "./mod.ts";
import { examine } from "./checks.ts";
import type { Diagnosis } from "./checks.ts";
import { thisHost } from "./host.ts";
import type { DoctorHost } from "./host.ts";

const healthy: DoctorHost = {
  denoVersion: "2.9.1",
  availableMemoryBytes: 8 * 2 ** 30,
  processors: 4,
  cacheDirectory: "/home/someone/.cache/plugboard",
  canShare: () => true,
  workersHavePermissions: () => Promise.resolve(true),
  writeProblem: () => Promise.resolve(undefined),
  hasProgram: () => Promise.resolve(true),
};

Deno.test("doctor: a host with everything", async () => {
  const diagnoses = await examine(healthy);
  assertEquals(new Set(diagnoses.map(({ result }) => result)), new Set(["ok"]));
  assert(diagnoses.every(({ help }) => help === undefined));
  assert(isFit(diagnoses));
  assert(printDiagnoses(diagnoses).endsWith("\n\nboards run here"));
});

const ill: [string, Partial<DoctorHost>, string, Diagnosis["result"], string][] = [
  ["an old Deno", { denoVersion: "2.8.3" }, "deno", "fail", "want Deno 2.9 or newer"],
  ["a Deno of another age", { denoVersion: "1.46.3" }, "deno", "fail", "want Deno 2.9 or newer"],
  ["little memory", { availableMemoryBytes: 2 ** 29 }, "memory", "warn", "--memory"],
  ["no shared memory", { canShare: () => false }, "webassembly", "fail", "ulimit"],
  ["small shared memories", { canShare: (pages) => pages <= 2 ** 14 }, "webassembly", "warn", "ulimit"],
  ["Workers without permissions", { workersHavePermissions: () => Promise.resolve(false) }, "workers", "warn", "worker-options"],
  ["a cache that can't be written", { writeProblem: () => Promise.resolve("read-only") }, "cache", "warn", "PLUGBOARD_CACHE"],
  ["no QEMU", { hasProgram: (name) => Promise.resolve(!name.startsWith("qemu-s")) }, "qemu-system-aarch64", "note", "qemu-system-arm"],
];
for (const [name, lacks, check, result, help] of ill) {
  Deno.test(`doctor: ${name}`, async () => {
    const diagnoses = await examine({ ...healthy, ...lacks });
    const bad = diagnoses.filter((diagnosis) => diagnosis.result !== "ok");
    assertEquals(bad.map((diagnosis) => [diagnosis.name, diagnosis.result]), [[check, result]]);
    assertStringIncludes(bad[0].help!, help);
    assertEquals(isFit(diagnoses), result !== "fail");
    assertStringIncludes(printDiagnoses(diagnoses), bad[0].help!);
  });
}

Deno.test("doctor: newer Denos do", async () => {
  for (const denoVersion of ["2.9.0", "2.10.0", "3.0.0"]) assert(isFit(await examine({ ...healthy, denoVersion })));
});

Deno.test("doctor: this host, by trying", async () => {
  const host = thisHost();
  assertEquals(host.denoVersion, Deno.version.deno);
  assert(host.canShare(1));
  assertEquals(host.canShare(2 ** 17), false);
  assertEquals([await host.hasProgram("sh"), await host.hasProgram("no-such-program")], [true, false]);
  const directory = await Deno.makeTempDir();
  try {
    assertEquals(await host.writeProblem(`${directory}/new`), undefined);
    assertEquals([...Deno.readDirSync(`${directory}/new`)], []);
    await Deno.writeTextFile(`${directory}/file`, "");
    assert((await host.writeProblem(`${directory}/file/below`))!.length > 0);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("doctor: this checkout's Workers have permissions of their own", async () => {
  assertEquals(await thisHost().workersHavePermissions(), true);
});
