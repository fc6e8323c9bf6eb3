/** The verbs, each loaded when it is asked for. */
import type { Verb } from "./verb.ts";

/** Every verb, in the order of the help. */
export const verbs: readonly Verb[] = [
  { name: "run", load: async (done) => (await import("./run/mod.ts")).command(done) },
  { name: "replay", load: async (done) => (await import("./snapshots/replay.ts")).command(done) },
  { name: "test", load: async (done) => (await import("./test/mod.ts")).command(done) },
  { name: "ps", load: async (done) => (await import("./control/verbs.ts")).ps(done) },
  { name: "console", load: async (done) => (await import("./control/console.ts")).command(done) },
  ...(["pause", "unpause", "reboot", "destroy"] as const).map((name): Verb => ({
    name,
    load: async (done) => (await import("./control/verbs.ts")).domainVerb(done, name),
  })),
  { name: "check", load: async (done) => (await import("./check/mod.ts")).command(done) },
  { name: "map", load: async (done) => (await import("./map/mod.ts")).command(done) },
  { name: "dtb", load: async (done) => (await import("./board/dtb.ts")).command(done) },
  { name: "devices", load: async (done) => (await import("./catalogue/devices.ts")).command(done) },
  { name: "disk", load: async (done) => (await import("./debian/disk.ts")).command(done) },
  { name: "schema", load: async (done) => (await import("./catalogue/schema.ts")).command(done) },
  { name: "doctor", load: async (done) => (await import("./doctor/mod.ts")).command(done) },
  { name: "plugin", load: async (done) => (await import("./new/mod.ts")).command(done) },
  { name: "completions", load: async (done) => (await import("./completions/mod.ts")).command(done, verbs) },
];
