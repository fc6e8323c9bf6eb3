/** Where control sockets are. */
import { join } from "@std/path";

/** What a control socket's path can't be. */
export class ControlPathError extends Error {
  override readonly name = "ControlPathError";
}

/** Sockets without a path of their own are there: only this user gets in. `undefined`: there is no such place. */
function runtimeFolder(): string | undefined {
  const base = Deno.env.get("XDG_RUNTIME_DIR");
  return base ? join(base, "plugboard") : undefined;
}

/** Bytes of a Unix socket's path, at most: unix(7), without the NUL that ends it. */
const LONGEST = 107;

/** The path of a run's socket: as given, or with `auto` one of its own under XDG_RUNTIME_DIR. Throws a {@linkcode ControlPathError}. */
export function socketPath(given: string, board: string): string {
  if (given === "") throw new ControlPathError("want a path, or auto");
  const bytes = new TextEncoder().encode(given).length;
  if (bytes > LONGEST) throw new ControlPathError(`the path has ${bytes} bytes, and a socket's at most ${LONGEST}`);
  if (given !== "auto") return given;
  const folder = runtimeFolder();
  if (folder === undefined) throw new ControlPathError("XDG_RUNTIME_DIR isn't set: name the path of the control socket");
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, `${board.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40)}-${Deno.pid}.sock`);
}

/** The socket that a client means: as given, or the only one under XDG_RUNTIME_DIR. Throws a {@linkcode ControlPathError}. */
export function chooseSocket(given: string | undefined): string {
  if (given !== undefined) return given;
  const folder = runtimeFolder();
  let found: string[] = [];
  try {
    found = folder === undefined ? [] : [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".sock")).map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (found.length === 1) return join(folder!, found[0]);
  throw new ControlPathError(
    found.length === 0
      ? "no run has a control socket here: start one with run --control auto, or name its socket with --control PATH"
      : `${found.length} runs have control sockets in ${folder}: ${found.sort().join(", ")}; say --control PATH`,
  );
}

/** Removes a socket that nobody listens at any more. Throws a {@linkcode ControlPathError} when the path is somebody's, or no socket. */
export async function clearPath(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!info.isSocket) throw new ControlPathError(`${path} is there already, and no socket`);
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch {
    Deno.removeSync(path);
    return;
  }
  throw new ControlPathError(`${path} is the control socket of a run that lives`);
}
