/** Starts Workers with the permissions that they are given, and nothing else. */
import type { WorkerStart } from "./start.ts";

/** Deno's permissions of a Worker: files by path. */
export interface Permissions {
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** What `deno.json` has to say for a Worker to have permissions of its own. */
const FEATURE = "worker-options";

/** Starts a Worker that runs a device. Throws an error that says what is missing. */
export function launch(start: WorkerStart, { read, write }: Permissions): Worker {
  // Without it, Deno ends the whole program.
  const missing = featureMissing();
  if (missing) {
    throw new Error(
      `a device behind IOREQ runs in a Worker with permissions of its own: add "unstable": ["${FEATURE}"] to deno.json, or run with --unstable-${FEATURE}`,
    );
  }
  const main = new URL("./main.ts", import.meta.url).href;
  // Both are imported statically: these imports are the program's, and the Worker itself may import nothing.
  const text = `import { serve } from ${JSON.stringify(main)};\nimport * as device from ${JSON.stringify(start.module)};\n` +
    "self.onmessage = ({ data }) => serve(device, data);\n";
  const permissions = { read: [...read], write: [...write], net: false, env: false, sys: false, run: false, ffi: false, import: false };
  const options = { type: "module", name: start.name, deno: { permissions } } as WorkerOptions;
  const worker = new Worker(`data:application/javascript,${encodeURIComponent(text)}`, options);
  worker.postMessage(start);
  return worker;
}

let missingFeature: boolean | undefined;

/** True when nothing that could enable it is to be seen. There is no asking Deno itself. */
function featureMissing(): boolean {
  return missingFeature ??= !commandLineHas() && !configurationHas();
}

function commandLineHas(): boolean {
  try {
    return Deno.readTextFileSync("/proc/self/cmdline").includes(FEATURE);
  } catch {
    return false;
  }
}

function workingDirectory(): string[] {
  try {
    return [`file://${Deno.cwd()}/`];
  } catch {
    return [];
  }
}

/** In a configuration file beside or above the program or the working directory. */
function configurationHas(): boolean {
  const starts = [Deno.mainModule, ...workingDirectory()].filter((url) => url.startsWith("file:"));
  for (const start of starts) {
    for (let at = new URL(".", start);; at = new URL("..", at)) {
      for (const name of ["deno.json", "deno.jsonc"]) {
        try {
          if (Deno.readTextFileSync(new URL(name, at)).includes(FEATURE)) return true;
        } catch {
          // Not there, or not readable: then it isn't what Deno read either.
        }
      }
      if (at.pathname === "/") break;
    }
  }
  return false;
}
