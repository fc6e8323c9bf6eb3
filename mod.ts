/**
 * Plugboard composes an Arm hypervisor from plugins: a YAML board manifest names
 * the machine, the plugins and the guests, and real AArch64 binaries run on it.
 *
 * ```ts ignore
 * import { boot } from "@plugboard/hypervisor";
 *
 * const machine = await boot("boards/tour.yaml", { onSerial: (_port, bytes) => Deno.stdout.writeSync(bytes) });
 * while (!machine.runFor(Infinity, 100)) await new Promise((resolve) => setTimeout(resolve));
 * machine.dispose();
 * ```
 *
 * @module
 */
import { checkBoard, Guest, Machine, ManifestError, parseOverride, readManifest } from "./core/mod.ts";
import type { Board, MachineEnvironment, Override, Plugin } from "./core/mod.ts";
import { plugins } from "./plugins/mod.ts";

export * from "./core/mod.ts";
export * from "./plugins/contracts.ts";
export { plugins } from "./plugins/mod.ts";

/** What {@linkcode boot} may be told. */
export interface BootOptions extends Partial<MachineEnvironment> {
  /** Plugins besides the built-in ones. */
  readonly plugins?: readonly Plugin[];
  /** Values over those of the manifest, by path: `{ "domains.0.vcpus": "4" }`. */
  readonly set?: Readonly<Record<string, string>>;
  /** Told about each image that takes time to fetch. */
  onProgress?(line: string): void;
}

/** What {@linkcode bootForTest} may be told. */
export interface TestBootOptions extends Omit<BootOptions, "replay" | "expectsInput"> {
  /** A folder in which a failure leaves a bundle: manifest, hashes of images, inputs, snapshot. `plugboard replay` does it again. */
  readonly bundle?: string;
}

/**
 * Builds a board, ready to run: `board` is the path of a manifest, or its text
 * (which has more than one line). Throws a {@linkcode ManifestError} with every
 * finding, an {@linkcode OptionError}, or an error that names the images that
 * can't be had; then nothing was started.
 */
export async function boot(board: string, options: BootOptions = {}): Promise<Machine> {
  const { checked, environment } = await prepare(board, options);
  return await Machine.create(checked, environment);
}

/**
 * The same for a test: a {@linkcode Guest}, whose virtual time stands still while
 * the test doesn't await it. Boot once, and give each test a fork.
 *
 * ```ts ignore
 * import { bootForTest } from "@plugboard/hypervisor";
 *
 * const booted = await bootForTest("board.yaml", { bundle: "failures" });
 * await booted.console().expect("login:");
 *
 * Deno.test("root may log in", () =>
 *   booted.test(async (guest) => {
 *     guest.console().send("root\n");
 *     await guest.console().expect(/# $/, { within: "5s" });
 *   }));
 * ```
 */
export async function bootForTest(board: string, options: TestBootOptions = {}): Promise<Guest> {
  const { checked, manifest, overrides, environment } = await prepare(board, options);
  return await Guest.start({
    board: checked,
    manifest,
    overrides,
    environment,
    given: options.images ?? new Map(),
    bundle: options.bundle,
  });
}

async function prepare(
  board: string,
  options: BootOptions,
): Promise<{ checked: Board; manifest: string; overrides: Override[]; environment: MachineEnvironment }> {
  const isText = board.includes("\n");
  const file = isText ? "board.yaml" : board;
  const directory = file.replace(/[^/\\]*$/, "") || ".";
  const given = options.images ?? new Map<string, Uint8Array>();
  const manifest = isText ? board : await readManifest(file);
  const overrides = Object.entries(options.set ?? {}).map(([path, value]) => parseOverride("set", `${path}=${value}`));
  const checked = await checkBoard(manifest, file, {
    plugins: [...plugins, ...options.plugins ?? []],
    readPlatform: async (reference) => {
      const { readPlatform } = await import("./plugins/platform/mod.ts");
      return readPlatform(given.get(reference) ?? await image(reference, directory, options));
    },
    overrides,
  });
  if (!checked.board) throw new ManifestError(file, checked.findings);
  const { imageUses, resolveImages } = await import("./plugins/images/mod.ts");
  const references = imageUses(checked.board).map(({ reference }) => reference).filter((reference) => !given.has(reference));
  const images = new Map([...given, ...await resolveImages(references, directory, options.onProgress)]);
  return {
    checked: checked.board,
    manifest,
    overrides,
    environment: { onSerial: () => {}, bootTimeSeconds: checked.board.bootTimeSeconds, ...options, images },
  };
}

async function image(reference: string, directory: string, { onProgress }: BootOptions): Promise<Uint8Array> {
  const { resolveImages } = await import("./plugins/images/mod.ts");
  return (await resolveImages([reference], directory, onProgress)).get(reference)!;
}

if (import.meta.main) {
  const { main } = await import("./cli/mod.ts");
  // Not awaited: a board's plugins import this very module, which must have been evaluated by then.
  main(Deno.args).then(Deno.exit);
}
