/**
 * The CPU engine's random tests, five to a hundred times as long as in CI, all others with five seeds, and the whole of the programs from Debian
 * whose first half CI runs, with another seed each time. It takes hours; the last line says what passed and failed, and those before it how to run
 * again what failed.
 *
 *     deno task night                      all
 *     deno task night tiers others         these
 *     PLUGBOARD_SEED=1234 deno task night  with this seed
 */
import { runGroups, testFiles, type TestGroup } from "./support/test_processes.ts";

const seed = Deno.env.get("PLUGBOARD_SEED") ?? String(crypto.getRandomValues(new Uint32Array(1))[0]);
/** Of every other test that has random numbers. */
const SEEDS = 5;
const OTHERS = "others";

/** By name; the longest first. */
const groups: Readonly<Record<string, TestGroup>> = {
  /** 10^7 instructions of each kind of program, tier 1 against the interpreter. */
  tiers: { files: ["tests/differential/tiers_test.ts"], env: { PLUGBOARD_TIER_INSTRUCTIONS: "10000000" } },
  /** All of CPython's modules, of OpenSSL's and stress-ng's tests. */
  programs: { files: ["tests/programs/programs_test.ts"], env: { PLUGBOARD_LONG: "1" } },
  /** Every form of every instruction, against QEMU. */
  instructions: { files: ["tests/differential/differential_test.ts"], env: { PLUGBOARD_CASES: "1000" } },
  /** Random code, compiled. */
  regions: { files: ["plugins/cpu_a64/engine/tier1/region_test.ts"], env: { PLUGBOARD_REGIONS: "60000" } },
  /** Programs with an interrupt at each boundary. */
  interrupts: { files: ["tests/differential/interrupts_test.ts"], env: { PLUGBOARD_INTERRUPTED: "20" } },
  /** Random translation tables, against QEMU. */
  translation: { files: ["tests/differential/translation_test.ts"], env: { PLUGBOARD_ROUNDS: "400" } },
  /** Guests of random code. */
  guests: { files: ["tests/guests/random_code_test.ts"], env: { PLUGBOARD_PAGES: "2000" } },
  /** Debian's runs that repeat, with kept translations and without tier 1. */
  determinism: { files: ["tests/guests/determinism_test.ts"], env: { PLUGBOARD_LONG: "1" } },
};

const known = [...Object.keys(groups), OTHERS];
const unknown = Deno.args.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`night: there is no ${unknown.join(", ")}; there are ${known.join(", ")}`);
  Deno.exit(2);
}
const names = Deno.args.length > 0 ? Deno.args : known;
console.log(`seed ${seed}: ${names.join(", ")}`);
const wanted = names.filter((name) => name !== OTHERS).map((name) => groups[name]);
if (names.includes(OTHERS)) {
  const own = Object.values(groups).flatMap(({ files }) => files);
  for (const file of await testFiles()) {
    if (own.includes(file) || !/\/random\.ts"/.test(await Deno.readTextFile(new URL(`../${file}`, import.meta.url)))) continue;
    for (let n = 0; n < SEEDS; n++) wanted.push({ files: [file], env: { PLUGBOARD_SEED: `${seed}${n}` } });
  }
}
Deno.exit(await runGroups(wanted.map((group) => ({ ...group, env: { PLUGBOARD_SEED: seed, ...group.env } }))));
