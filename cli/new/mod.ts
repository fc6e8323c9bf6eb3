/** `plugin new`: a plugin with its test, to start from. */
import { Command, ValidationError } from "@cliffy/command";
import { dirname, fromFileUrl, join, relative, resolve, SEPARATOR } from "@std/path";
import { EXIT } from "../exit_codes.ts";
import { PLUGIN_NAME, pluginFiles } from "./template.ts";
import type { TemplateImports } from "./template.ts";
import type { Done } from "../verb.ts";
import version from "../../deno.json" with { type: "json" };

/** The command. */
export function command(done: Done): Command {
  return new Command()
    .description("Write a plugin to start from, with its test: plugin new NAME.")
    .arguments("<what:string> <name:string>")
    .option("--to <folder:file>", "The folder for both files; without it, this one.")
    .action(async ({ to = "." }: { to?: string }, what: string, name: string) => {
      if (what !== "new") throw new ValidationError(`plugin ${what}: want plugin new NAME`);
      if (!PLUGIN_NAME.test(name)) throw new ValidationError(`plugin name ${JSON.stringify(name)}: want lower case letters, digits and _`);
      done(await writePlugin(resolve(to), name));
    }) as unknown as Command;
}

/** Never over a file that is there. */
async function writePlugin(folder: string, name: string): Promise<number> {
  const imports = importsFrom(folder, import.meta.url);
  const files = Object.entries(pluginFiles(name, imports));
  const written: string[] = [];
  try {
    await Deno.mkdir(folder, { recursive: true });
    for (const [file, text] of files) {
      await Deno.writeTextFile(join(folder, file), text, { createNew: true });
      written.push(join(folder, file));
    }
  } catch (error) {
    // Half a plugin is none.
    for (const file of written) await Deno.remove(file);
    const reason = error instanceof Deno.errors.AlreadyExists ? "a file of that name is there" : (error as Error).message;
    console.error(`error: ${join(folder, files[written.length][0])} wasn't written: ${reason}`);
    return EXIT.usage;
  }
  const config = imports.config === undefined ? "" : `--config ${imports.config} `;
  console.log([...written.map((file) => `wrote  ${file}`), `test   deno test -A ${config}${written[1]}`].join("\n"));
  return EXIT.ok;
}

/** A checkout is imported by its path, a package by its name and version. `self`: the URL of this module. */
export function importsFrom(folder: string, self: string): TemplateImports & { readonly config?: string } {
  if (!self.startsWith("file:")) {
    const name = `jsr:${version.name}@^${version.version}`;
    return { library: name, testing: `${name}/testing` };
  }
  const root = resolve(dirname(fromFileUrl(self)), "../..");
  const to = (file: string) => {
    const path = relative(folder, join(root, file)).split(SEPARATOR).join("/");
    return path.startsWith(".") ? path : `./${path}`;
  };
  // What the checkout imports is named in its configuration, which Deno doesn't look for outside of it.
  const isOutside = relative(root, folder).startsWith("..");
  return { library: to("mod.ts"), testing: to("core/testing.ts"), ...isOutside && { config: join(root, "deno.json") } };
}
