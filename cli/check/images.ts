/** What only the images tell: those that go to one place, kernels that are none, and a guest's own device tree that isn't the board's. */
import { hex, OptionError, PlatformError } from "../../core/mod.ts";
import type { Board, DomainSpec, Finding, Place, Platform, PlatformDevice, PlatformRange, PluginUse } from "../../core/mod.ts";
import { parseReference } from "../../plugins/images/mod.ts";
import { readPlatform } from "../../plugins/platform/mod.ts";
import { pathFrom } from "../board/load.ts";

/** A finding whose places aren't looked up yet. */
export type ImageFinding = Omit<Finding, "spans">;

/** Larger ones are no kernels, and aren't read. */
const LARGEST = 2 ** 28;

/** Reads the files that a board names, and nothing from elsewhere. */
export async function checkImageContents(board: Board): Promise<ImageFinding[]> {
  const findings: ImageFinding[] = [];
  for (const domain of board.domains) {
    const uses = [...board.plugins, ...domain.plugins].filter(({ plugin }) => plugin.places !== undefined);
    const images = await filesOf(uses, board);
    findings.push(...placements(domain, uses, images));
    for (const use of uses) {
      const blob = images.get(use.options.dtb as string);
      if (blob !== undefined) findings.push(...deviceTree(board, domain, use, blob));
    }
  }
  return findings;
}

/** Images of options, by reference: those that are plain files. */
async function filesOf(uses: readonly PluginUse[], board: Board): Promise<Map<string, Uint8Array>> {
  const images = new Map<string, Uint8Array>();
  for (const { plugin, options } of uses) {
    for (const [name, { kind }] of Object.entries(plugin.options)) {
      const reference = options[name];
      if (kind !== "image" || typeof reference !== "string") continue;
      const parsed = parseReference(reference);
      if (parsed.kind !== "path") continue;
      const path = pathFrom(board, parsed.path);
      const isSmall = await Deno.stat(path).then(({ size, isFile }) => isFile && size <= LARGEST, () => false);
      if (isSmall) images.set(reference, await Deno.readFile(path));
    }
  }
  return images;
}

function placements(domain: DomainSpec, uses: readonly PluginUse[], images: ReadonlyMap<string, Uint8Array>): ImageFinding[] {
  const findings: ImageFinding[] = [];
  const placed: { readonly label: string; readonly at: number; readonly size: number; readonly place: Place }[] = [];
  for (const { plugin, options, path } of uses) {
    try {
      for (const { name, option, at, size } of plugin.places!(options, { domain, image: (reference) => images.get(reference) })) {
        const note = `${name}: ${rangeText({ at, size })}`;
        placed.push({ label: `${name} of ${plugin.name}`, at, size, place: { path: [...path, option], note } });
      }
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      const title = `${error.option}: ${error.message}`;
      findings.push({ severity: "error", code: "M0702", title, places: [{ path: [...path, error.option ?? "use"] }] });
    }
  }
  placed.forEach((second, index) => {
    for (const first of placed.slice(0, index)) {
      if (first.at >= second.at + second.size || second.at >= first.at + first.size) continue;
      findings.push({
        severity: "error",
        code: "M0703",
        title: `${second.label} and ${first.label} of domain ${domain.name} go to one place`,
        help: `the first free address after it is ${hex(first.at + first.size)}`,
        places: [second.place, first.place],
      });
    }
  });
  return findings;
}

/** A tree that the guest gets in place of ours: what it says of the machine must be so. */
function deviceTree(board: Board, domain: DomainSpec, use: PluginUse, blob: Uint8Array): ImageFinding[] {
  const at: Place = { path: [...use.path, "dtb"] };
  let tree: Platform;
  try {
    tree = readPlatform(blob);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    return [{ severity: "error", code: "M0702", title: `dtb: ${error.message}`, places: [at] }];
  }
  const index = board.domains.indexOf(domain);
  const differs = (title: string, place: Place): ImageFinding => ({ severity: "warning", code: "M0704", title, places: [at, place] });
  const findings: ImageFinding[] = [];
  for (const bank of tree.memory) {
    if (domain.memory.some((own) => bank.at >= own.at && bank.at + bank.size <= own.at + own.size)) continue;
    const title = `the device tree has RAM at ${rangeText(bank)}, not all of which is the RAM of domain ${domain.name}`;
    findings.push(differs(title, { path: ["domains", index, "memory"] }));
  }
  if (tree.cpus !== 0 && tree.cpus !== domain.vcpus) {
    const title = `the device tree has ${tree.cpus} CPUs, domain ${domain.name} has ${domain.vcpus}`;
    findings.push(differs(title, { path: ["domains", index, "vcpus"] }));
  }
  const devices = tree.devices.flatMap(withChildren);
  const windows = [...board.plugins, ...domain.plugins].map((owner) => ({ owner, windows: windowsOf(owner, board, domain) }));
  for (const { path, windows: wanted } of devices) {
    const missing = wanted.find((window) => !windows.some(({ windows: there }) => there.some((own) => overlap(own, window))));
    if (missing === undefined) continue;
    const title = `the device tree has ${path} at ${rangeText(missing)}, where domain ${domain.name} has nothing`;
    findings.push(differs(title, { path: ["domains", index, "plugins"], on: "key" }));
  }
  for (const { owner, windows: there } of windows) {
    if (there.length === 0 || devices.some(({ windows: wanted }) => wanted.some((window) => there.some((own) => overlap(own, window))))) {
      continue;
    }
    const title = `the device tree doesn't have ${owner.plugin.name}, which is at ${rangeText(there[0])}: the guest won't find it`;
    findings.push(differs(title, { path: [...owner.path, "use"] }));
  }
  return findings;
}

const withChildren = (device: PlatformDevice): PlatformDevice[] => [device, ...device.children.flatMap(withChildren)];

function windowsOf({ plugin, options }: PluginUse, board: Board, domain: DomainSpec): readonly PlatformRange[] {
  return plugin.resources?.(options, { board, domain }).windows?.filter(({ size }) => size > 0) ?? [];
}

const overlap = (a: PlatformRange, b: PlatformRange) => a.at < b.at + b.size && b.at < a.at + a.size;
const rangeText = ({ at, size }: PlatformRange) => `${hex(at)} to ${hex(at + size - 1)}`;
