/** A disk with real programs from Debian's packages, and what to run of them. */
import { makeTree } from "../../cli/debian/image.ts";
import { Apt, cacheDirectory, ImageCache, ImageError } from "../../plugins/images/mod.ts";

/** Packages whose programs run. What they need comes along. */
const PACKAGES = [
  ...["base-files", "coreutils", "dash", "diffutils", "grep", "gzip", "mount", "openssl", "perl-base", "sed"],
  ...["libpython3.11-testsuite", "sqlite3", "stress-ng", "xz-utils"],
];

/** The first process: runs the parts that the kernel's command line names, each between two lines that a test finds. */
const RUN = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
cd /tmp
for part in $(echo "$PARTS" | tr , ' '); do
  echo "=== $part"
  case $part in
    cpython:*) python3.11 -W ignore /programs/cpython.py $(echo "\${part#*:}" | tr + ' ') ;;
    *.py) python3.11 /programs/$part ;;
    *.pl) perl /programs/$part ;;
    *.sql) sqlite3 /tmp/database < /programs/$part ;;
    *) sh /programs/$part ;;
  esac 2>&1
  echo "--- ended with $?"
done
echo "=== end"
echo o > /proc/sysrq-trigger
sleep 60
`;

/** A file of the disk. */
export interface ProgramFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** Makes a disk of packages, with what they need, and files. Throws an `ImageError` where packages can't be had. */
export async function makeProgramDisk(path: string, packages: readonly string[], files: readonly ProgramFile[]): Promise<void> {
  const cache = new ImageCache(cacheDirectory());
  await cache.temporary(async (directory) => {
    for (const name of ["packages", "work"]) await Deno.mkdir(`${directory}/${name}`);
    const apt = new Apt(`${cache.root}/apt`, (line) => console.error(line));
    const extracted = await cache.exclusively(() => apt.downloadAll(packages, `${directory}/packages`));
    await makeTree(path, { packages: [], extracted, files, sizeBytes: 320 * 2 ** 20 }, `${directory}/work`);
  });
}

/** Makes the disk. Where packages can't be had there is one line that says why, and false; with CI=true that throws. */
export async function programDisk(path: string): Promise<boolean> {
  const scripts = new URL("guest/", import.meta.url);
  const files = [{ path: "/programs/run", content: RUN, mode: 0o755 }];
  for await (const { name } of Deno.readDir(scripts)) {
    files.push({ path: `/programs/${name}`, content: await Deno.readTextFile(new URL(name, scripts)), mode: 0o644 });
  }
  try {
    await makeProgramDisk(path, PACKAGES, files);
    return true;
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    const advice = `skipped: no programs: ${error.message.split("\n")[0]}`;
    if (Deno.env.get("CI") === "true") throw new Error(advice);
    console.log(advice);
    return false;
  }
}
