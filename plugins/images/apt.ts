/**
 * Debian packages for another architecture through the host's own `apt-get`,
 * with lists and caches of ours: no root, and nothing of the host changes.
 */
import { ImageError } from "./error.ts";
import { compareVersions, globToRegExp, isGlob, nearest } from "./names.ts";

/** Lists younger than this aren't fetched again when a package can't be had. */
const FRESH_MS = 10 * 60 * 1000;

/** What people do without apt. */
const WITHOUT_APT = "give a path or an https: URL instead, for instance --kernel ./Image, or copy the file from a Debian machine";

interface Ran {
  readonly ok: boolean;
  readonly out: string;
  /** Error and warning lines. */
  readonly problems: string;
}

/** A private apt below `root`. One process uses it at a time. */
export class Apt {
  private configured = false;

  constructor(
    private readonly root: string,
    private readonly progress: (line: string) => void,
    private readonly architecture = "arm64",
    private readonly environment: Readonly<Record<string, string>> = {},
  ) {}

  private async command(program: string, args: readonly string[], cwd?: string): Promise<Ran> {
    const env = { LC_ALL: "C", APT_CONFIG: `${this.root}/apt.conf`, DEBIAN_FRONTEND: "noninteractive", ...this.environment };
    let output: Deno.CommandOutput;
    try {
      output = await new Deno.Command(program, { args: [...args], cwd, env, stdin: "null" }).output();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new ImageError(`this machine has no ${program}, which deb: references need; ${WITHOUT_APT}`);
    }
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const problems = text(output.stderr).split("\n").filter((line) => /^[EWN]: /.test(line) || /^Err/.test(line)).join("\n");
    return { ok: output.success, out: text(output.stdout), problems };
  }

  /**
   * The host's settings (sources, proxies, keys) without its hooks, which would
   * act on the host, and with directories of ours.
   */
  private async configure(): Promise<void> {
    if (this.configured) return;
    await Deno.mkdir(`${this.root}/lists/partial`, { recursive: true });
    await Deno.mkdir(`${this.root}/cache/archives/partial`, { recursive: true });
    await Deno.mkdir(`${this.root}/empty`, { recursive: true });
    await Deno.writeTextFile(`${this.root}/apt.conf`, "");
    const dump = await this.command("apt-config", ["dump"]);
    const kept = dump.out.split("\n").filter((line) =>
      !/^(APT::Update::(Pre|Post)-Invoke|DPkg::|APT::Architectures?\b|Dir::Etc::(main|parts)\b)/i.test(line)
    );
    const ours = {
      "APT::Architecture": this.architecture,
      "APT::Architectures": this.architecture,
      "APT::Sandbox::User": "root", // no privileges to drop; and _apt couldn't write here
      "Acquire::Languages": "none",
      "Dir::State::Lists": `${this.root}/lists`,
      "Dir::State::status": "/dev/null",
      "Dir::Cache": `${this.root}/cache`,
      "Dir::Etc::main": "/dev/null",
      "Dir::Etc::parts": `${this.root}/empty`,
    };
    const lines = Object.entries(ours).map(([key, value]) => `${key} "${value}";`);
    await Deno.writeTextFile(`${this.root}/apt.conf`, [...kept, ...lines, ""].join("\n"));
    this.configured = true;
  }

  /** Age of the package lists; infinite where there are none. */
  private async listAgeMs(): Promise<number> {
    try {
      return Date.now() - Number(await Deno.readTextFile(`${this.root}/updated`));
    } catch {
      return Infinity;
    }
  }

  private async update(): Promise<void> {
    this.progress(`fetching Debian's package lists for ${this.architecture} (once a while)`);
    const { ok, problems } = await this.command("apt-get", ["update", "-q"]);
    const failed = problems.split("\n").filter((line) => /^E: |Failed to fetch|Could not resolve|Unable to connect/.test(line));
    if (!ok || failed.length > 0) {
      const offline = /Could not resolve|Temporary failure|Could not connect|Unable to connect|unreachable/.test(problems);
      const why = offline ? "can't reach the package sources: is this machine offline?" : "fetching the package lists failed:";
      // A source that doesn't serve our architecture is no obstacle while another one does.
      if (!ok || offline) throw new ImageError(`${why}\n${failed.slice(0, 4).join("\n")}\nTry again, or ${WITHOUT_APT}`);
    }
    await Deno.writeTextFile(`${this.root}/updated`, String(Date.now()));
  }

  private async names(prefix: string): Promise<string[]> {
    return (await this.command("apt-cache", ["pkgnames", prefix])).out.split("\n").filter((line) => line !== "");
  }

  private async newestMatch(glob: string): Promise<string | undefined> {
    const pattern = globToRegExp(glob);
    return (await this.names(glob.replace(/[*?].*/, ""))).filter((name) => pattern.test(name)).toSorted(compareVersions).at(-1);
  }

  private async tryDownload(name: string, directory: string): Promise<{ file?: string; problems: string; name: string }> {
    const exact = isGlob(name) ? await this.newestMatch(name) : name;
    if (exact === undefined) return { name, problems: `E: no package matches ${name}` };
    this.progress(`downloading Debian package ${exact}`);
    const { problems } = await this.command("apt-get", ["download", "-q", exact], directory);
    for await (const { name: file } of Deno.readDir(directory)) {
      if (file.endsWith(".deb")) return { file: `${directory}/${file}`, problems, name: exact };
    }
    return { name: exact, problems };
  }

  /**
   * Downloads a package, the newest where the name is a glob, to an empty
   * directory and returns the file's path. Throws an {@linkcode ImageError}.
   */
  async download(name: string, directory: string): Promise<string> {
    await this.configure();
    if (await this.listAgeMs() === Infinity) await this.update();
    let attempt = await this.tryDownload(name, directory);
    // Old lists name files that have left the archive, and don't know new packages.
    if (!attempt.file && await this.listAgeMs() > FRESH_MS) {
      await this.update();
      attempt = await this.tryDownload(name, directory);
    }
    if (attempt.file) return attempt.file;
    const missing = /Unable to locate|No packages found|no package matches|no installation candidate|Can't select/.test(attempt.problems);
    if (!missing) throw new ImageError(`package ${attempt.name} can't be downloaded:\n${attempt.problems}\nTry again, or ${WITHOUT_APT}`);
    const all = await this.names("");
    if (all.length === 0) throw new ImageError(`the apt sources of this machine offer nothing for ${this.architecture}; ${WITHOUT_APT}`);
    const near = nearest(name, all);
    throw new ImageError(
      `no package ${name} for ${this.architecture} in this machine's apt sources${near.length ? `; near: ${near.join(", ")}` : ""}`,
    );
  }

  /**
   * Downloads packages and all that they depend on, recommendations aside, to an empty directory. Returns the files,
   * sorted by name. Throws an {@linkcode ImageError}.
   */
  async downloadAll(names: readonly string[], directory: string): Promise<string[]> {
    await this.configure();
    if (await this.listAgeMs() === Infinity) await this.update();
    let problems = await this.tryDownloadAll(names, directory);
    if (problems !== "" && await this.listAgeMs() > FRESH_MS) {
      await this.update();
      problems = await this.tryDownloadAll(names, directory);
    }
    if (problems !== "") throw new ImageError(`the packages can't be downloaded:\n${problems}\nTry again, or ${WITHOUT_APT}`);
    const files: string[] = [];
    for await (const { name } of Deno.readDir(directory)) if (name.endsWith(".deb")) files.push(`${directory}/${name}`);
    return files.sort();
  }

  /** What went wrong, or nothing. */
  private async tryDownloadAll(names: readonly string[], directory: string): Promise<string> {
    const plan = await this.command("apt-get", ["install", "-s", "-q", "--no-install-recommends", ...names]);
    if (!plan.ok) return plan.problems;
    const all = [...plan.out.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name);
    this.progress(`downloading ${all.length} Debian packages`);
    const { ok, problems } = await this.command("apt-get", ["download", "-q", ...all], directory);
    return ok ? "" : problems;
  }
}
