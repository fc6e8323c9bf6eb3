/**
 * A tree of Debian packages as an ext4 image: unpacked with the owners and modes that the packages say, by root or by fakeroot. The same
 * packages give the same bytes: order, times, identifiers and the file system's features are fixed.
 */
import { ImageError } from "../../plugins/images/mod.ts";
import { dpkgDatabase } from "./database.ts";
import type { Package } from "./database.ts";

/** What an image is made of. */
export interface TreeParts {
  /** Debian packages that dpkg is to know. */
  readonly packages: readonly string[];
  /** Others, that are only unpacked: the kernel, whose configuration wants an initramfs builder. */
  readonly extracted: readonly string[];
  /** Files of ours, over those of the packages. */
  readonly files: readonly TreeFile[];
  /** Bytes of the image. */
  readonly sizeBytes: number;
}

/** A file of ours. */
export interface TreeFile {
  readonly path: string;
  readonly content: Uint8Array | string;
  readonly mode?: number;
}

/** Bookworm's own, named so that every mke2fs does the same. */
const FEATURES =
  "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
const UUID = "706c7567-626f-4172-8000-64656269616e";
/** Where /bin, /sbin and /lib have gone. */
const MERGED = ["bin", "sbin", "lib"];

/** Paths where e2fsprogs lies for users who aren't root. */
const TOOL_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/** Runs a program of the host. Throws an {@linkcode ImageError}. */
async function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args: [...args], stdin: "null", env: { LC_ALL: "C", PATH: TOOL_PATH, ...env } }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new ImageError(`this machine has no ${program}, which a Debian disk needs (packages dpkg, e2fsprogs, fakeroot)`);
  }
  if (output.success) return output.stdout;
  throw new ImageError(`${program} ${args[0]} failed:\n${new TextDecoder().decode(output.stderr).trim()}`);
}

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Reads a package's control files, and lists its paths as dpkg does. */
async function readPackage(deb: string, directory: string): Promise<Package> {
  await run("dpkg-deb", ["--control", deb, directory]);
  const scripts = new Map<string, Uint8Array>();
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
  for (const name of names) if (name !== "control") scripts.set(name, await Deno.readFile(`${directory}/${name}`));
  await Deno.writeFile(`${directory}/.data`, await run("dpkg-deb", ["--fsys-tarfile", deb]));
  const listed = textOf(await run("tar", ["--quoting-style=literal", "-tf", `${directory}/.data`])).split("\n").filter((line) =>
    line !== ""
  );
  const paths = listed.map((path) => path === "./" ? "/." : path.replace(/^\./, "").replace(/\/$/, ""));
  return { control: textOf(await Deno.readFile(`${directory}/control`)), scripts, paths };
}

/**
 * What runs as root or what looks like it. Arguments: tree, image, bytes. Times that aren't of a package become the
 * latest that is.
 */
const BUILD = `
set -eu
tree=$1 image=$2 size=$3
cd "$tree/root"
for data in "$tree"/data/*; do tar -x -p --keep-directory-symlink -f "$data"; done
cp -a "$tree/own/." .
time=$(find . ! -newer "$tree/begin" -printf '%Ts\\n' | sort -n | tail -n 1)
find . -newermt "@$time" -exec touch -h -d "@$time" {} +
export E2FSPROGS_FAKE_TIME=$time
mke2fs -q -F -t ext4 -b 4096 -I 256 -m 1 -O "$FEATURES" -U "$UUID" -L debian \\
  -E "root_owner=0:0,hash_seed=$UUID,lazy_itable_init=0,lazy_journal_init=0,nodiscard" -d . "$image" "$size" >&2
echo "$time"
`;

/** Makes the image at a path that doesn't exist yet. `directory`: empty. Returns the time that files have at most, in seconds. */
export async function makeTree(image: string, { packages, extracted, files, sizeBytes }: TreeParts, directory: string): Promise<number> {
  for (const name of ["root", "own", "data", "control"]) await Deno.mkdir(`${directory}/${name}`);
  // What is newer than this isn't of a package.
  await Deno.writeTextFile(`${directory}/begin`, "");
  await Deno.utime(`${directory}/begin`, Date.now() / 1000 - 3600, Date.now() / 1000 - 3600);
  for (const name of MERGED) {
    await Deno.mkdir(`${directory}/root/usr/${name}`, { recursive: true });
    await Deno.symlink(`usr/${name}`, `${directory}/root/${name}`);
  }
  const read: Package[] = [];
  for (const [n, deb] of [...packages, ...extracted].entries()) {
    const found = await readPackage(deb, `${directory}/control/${n}`);
    // Archives are unpacked in the order of these names.
    await Deno.rename(`${directory}/control/${n}/.data`, `${directory}/data/${String(n).padStart(4, "0")}`);
    if (n < packages.length) read.push(found);
  }
  const conffile = async (path: string) => {
    const n = read.findIndex(({ paths }) => paths.includes(path));
    const data = `${directory}/data/${String(n).padStart(4, "0")}`;
    return await run("tar", ["-xOf", data, `.${path}`]);
  };
  const contents = new Map<string, Uint8Array>();
  for (const { scripts } of read) {
    for (const path of textOf(scripts.get("conffiles") ?? new Uint8Array()).split("\n")) {
      if (path.startsWith("/")) contents.set(path, await conffile(path));
    }
  }
  const database = dpkgDatabase(read, (path) => contents.get(path)!);
  const all: TreeFile[] = [
    ...database.map(({ path, content, executable }) => ({ path: `/var/lib/dpkg/${path}`, content, mode: executable ? 0o755 : 0o644 })),
    ...files,
  ];
  for (const { path, content, mode } of all) {
    const at = `${directory}/own${path}`;
    await Deno.mkdir(at.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeFile(at, typeof content === "string" ? new TextEncoder().encode(content) : content);
    await Deno.chmod(at, mode ?? 0o644);
  }
  const root = Deno.uid() === 0;
  const build = ["-c", BUILD, "build", directory, image, `${sizeBytes / 1024}k`];
  const env = { FEATURES, UUID };
  const time = Number(textOf(await (root ? run("sh", build, env) : run("fakeroot", ["--", "sh", ...build], env))).trim());
  await fixTimes(image, time, directory);
  return time;
}

/** Inodes say when they were last changed, which no program can set but the file system's own. */
async function fixTimes(image: string, time: number, directory: string): Promise<void> {
  const free = textOf(await run("dumpe2fs", ["-h", image]));
  const number = (name: string) => Number(new RegExp(`^${name}: *(\\d+)$`, "m").exec(free)![1]);
  const [inodes, unused, first] = [number("Inode count"), number("Free inodes"), number("First inode")];
  const script: string[] = [];
  for (let inode = 2; inode < first + inodes - unused; inode++) {
    if (inode > 2 && inode < first) continue;
    for (const name of ["ctime", "atime", "crtime"]) script.push(`sif <${inode}> ${name} @${time}`);
  }
  await Deno.writeTextFile(`${directory}/times`, `${script.join("\n")}\n`);
  await run("debugfs", ["-w", "-f", `${directory}/times`, image], { E2FSPROGS_FAKE_TIME: String(time) });
}
