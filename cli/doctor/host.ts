/** The host as `doctor` sees it. */
import { cacheDirectory } from "../../plugins/images/mod.ts";

/** What the checks ask. Nothing here throws. */
export interface DoctorHost {
  readonly denoVersion: string;
  /** Absent where the host doesn't say. */
  readonly availableMemoryBytes?: number;
  readonly processors: number;
  readonly cacheDirectory: string;
  /** Whether a shared WebAssembly memory of so many pages of 64 KiB can be had. */
  canShare(pages: number): boolean;
  /** Whether Deno starts Workers with permissions of their own. */
  workersHavePermissions(): Promise<boolean>;
  /** Why nothing can be written below a directory, or `undefined` when something was. */
  writeProblem(directory: string): Promise<string | undefined>;
  /** Whether a program is on the path. */
  hasProgram(name: string): Promise<boolean>;
}

/** This host. */
export function thisHost(): DoctorHost {
  return {
    denoVersion: Deno.version.deno,
    availableMemoryBytes: availableMemory(),
    processors: navigator.hardwareConcurrency,
    cacheDirectory: cacheDirectory(),
    canShare(pages) {
      try {
        new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
        return true;
      } catch {
        return false;
      }
    },
    workersHavePermissions,
    writeProblem,
    hasProgram,
  };
}

function availableMemory(): number | undefined {
  try {
    return Deno.systemMemoryInfo().available;
  } catch {
    return undefined;
  }
}

/** A program of its own tries: without the feature, Deno ends all of it. It starts where Deno looks for our configuration. */
async function workersHavePermissions(): Promise<boolean> {
  const script = "new Worker('data:application/javascript,close()', { type: 'module', deno: { permissions: 'none' } });";
  const flag = "--unstable-worker-options";
  try {
    const given = (await Deno.readTextFile("/proc/self/cmdline").catch(() => "")).split("\0").includes(flag);
    const cwd = Deno.mainModule.startsWith("file:") ? new URL(".", Deno.mainModule) : undefined;
    const args = ["eval", "--quiet", ...given ? [flag] : [], script];
    const { success } = await new Deno.Command(Deno.execPath(), { args, cwd, stdin: "null", stdout: "null", stderr: "null" }).output();
    return success;
  } catch {
    return false;
  }
}

async function writeProblem(directory: string): Promise<string | undefined> {
  try {
    await Deno.mkdir(directory, { recursive: true });
    const file = await Deno.makeTempFile({ dir: directory, prefix: "doctor-" });
    await Deno.remove(file);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function hasProgram(name: string): Promise<boolean> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const found = folder === "" ? undefined : await Deno.stat(`${folder}/${name}`).catch(() => undefined);
    if (found?.isFile && ((found.mode ?? 0o111) & 0o111) !== 0) return true;
  }
  return false;
}
