/** dpkg's database for packages that are unpacked and not yet configured: what dpkg itself would have written while it unpacked them. */
import { createHash } from "node:crypto";

/** A package as its archive shows it. */
export interface Package {
  /** Fields of its control file: the text, without an empty line at the end. */
  readonly control: string;
  /** Its other control files by name: `postinst`, `md5sums`, `conffiles`, `triggers`, … */
  readonly scripts: ReadonlyMap<string, Uint8Array>;
  /** Paths in it, absolute, parents first. */
  readonly paths: readonly string[];
}

/** A file of the database; scripts are executable. */
export interface DatabaseFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

const field = (control: string, name: string) => new RegExp(`^${name}: *(.*)$`, "m").exec(control)?.[1];
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const lines = (text: string) => text.split("\n").map((line) => line.trim()).filter((line) => line !== "");

/** Scripts that dpkg runs. */
const EXECUTABLE = /^(pre|post)(inst|rm)$|^config$/;

/** Name under which dpkg keeps a package's files. */
function infoName(control: string): string {
  const name = field(control, "Package")!;
  return field(control, "Multi-Arch") === "same" ? `${name}:${field(control, "Architecture")}` : name;
}

/** All of it below /var/lib/dpkg. `contentOf`: a configuration file as it was unpacked. */
export function dpkgDatabase(packages: readonly Package[], contentOf: (path: string) => Uint8Array): DatabaseFile[] {
  const files: DatabaseFile[] = [];
  const add = (path: string, content: string | Uint8Array, executable = false) =>
    files.push({ path, content: typeof content === "string" ? new TextEncoder().encode(content) : content, executable });
  const status: string[] = [];
  const interests = new Map<string, string[]>();
  for (const { control, scripts, paths } of packages) {
    status.push(`${statusEntry(control, lines(textOf(scripts.get("conffiles"))), contentOf)}\n`);
    add(`info/${infoName(control)}.list`, paths.map((path) => `${path}\n`).join(""));
    for (const [name, content] of scripts) add(`info/${infoName(control)}.${name}`, content, EXECUTABLE.test(name));
    for (const line of lines(textOf(scripts.get("triggers")))) {
      const [kind, trigger] = line.split(/\s+/);
      if (!kind.startsWith("interest")) continue;
      const file = trigger.startsWith("/") ? "File" : trigger;
      const noawait = kind === "interest-noawait" ? "/noawait" : "";
      const entry = `${file === "File" ? `${trigger} ` : ""}${field(control, "Package")}${noawait}\n`;
      interests.set(file, [...interests.get(file) ?? [], entry]);
    }
  }
  for (const [file, entries] of interests) add(`triggers/${file}`, entries.join(""));
  add("triggers/Unincorp", "");
  add("info/format", "1\n");
  add("status", status.join(""));
  add("available", "");
  return files;
}

function statusEntry(control: string, conffiles: readonly string[], contentOf: (path: string) => Uint8Array): string {
  const [first, ...rest] = control.trimEnd().split("\n");
  const entry = [first, "Status: install ok unpacked", ...rest];
  if (conffiles.length > 0) {
    entry.push("Conffiles:");
    for (const path of conffiles) entry.push(` ${path} ${createHash("md5").update(contentOf(path)).digest("hex")}`);
  }
  return `${entry.join("\n")}\n`;
}
