/**
 * Writes the pages that follow from declarations: docs/boards.md, every key and option of a manifest, and docs/models.md, what each plugin models
 * and what it doesn't.
 *
 *     deno task docs
 */
import { boardSchema, readManifest } from "../core/mod.ts";
import type { Plugin } from "../core/mod.ts";
import { defaultText, valueText } from "../cli/catalogue/option_text.ts";
import { plugins } from "../plugins/mod.ts";
import { chapters } from "./models_prose.ts";

const NOTICE = "<!-- Written by `deno task docs`: change the declarations, not this page. -->";

interface Described {
  readonly description?: string;
  readonly default?: unknown;
}
type Keys = Readonly<Record<string, Described>>;

/** Cells of a table can't have bars, nor line breaks. */
const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const row = (cells: readonly string[]) => `| ${cells.map(cell).join(" | ")} |`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [row(head), row(head.map(() => "---")), ...rows.map(row)];
}

function keysTable(keys: Keys, required: readonly string[]): string[] {
  return table(
    ["key", "what it is", "without it"],
    Object.entries(keys).map(([name, { description, default: value }]) => [
      `\`${name}\``,
      description ?? "",
      value !== undefined ? `\`${JSON.stringify(value)}\`` : required.includes(name) ? "required" : "",
    ]),
  );
}

function optionsTable({ options }: Plugin): string[] {
  if (Object.keys(options).length === 0) return ["It takes no options."];
  return table(
    ["option", "value", "default", "what it is"],
    Object.entries(options).map(([name, spec]) => {
      const missing = spec.default !== undefined ? `\`${defaultText(spec)}\`` : spec.optional ? "" : "required";
      return [`\`${name}\``, valueText(spec), missing, spec.doc];
    }),
  );
}

/** Boards of this repository: file and sentence. */
async function boardsHere(): Promise<string[][]> {
  const rows: string[][] = [];
  for await (const { name } of Deno.readDir(new URL("../boards", import.meta.url))) {
    if (!name.endsWith(".yaml")) continue;
    const text = await readManifest(new URL(`../boards/${name}`, import.meta.url).pathname);
    rows.push([`[${name}](../boards/${name})`, /^doc: (.*)$/m.exec(text)?.[1] ?? ""]);
  }
  return rows.sort(([a], [b]) => a < b ? -1 : 1);
}

/** The board reference. */
export async function boardsPage(): Promise<string> {
  const schema = boardSchema(plugins) as unknown as {
    properties: Keys & { domains: { items: { properties: Keys; required: string[] } }; platform: { properties: Keys; required: string[] } };
    required: string[];
    $defs: { range: { properties: Keys; required: string[] } };
  };
  const { domains, platform } = schema.properties;
  return [
    NOTICE,
    "",
    "# Boards: every key and option",
    "",
    "A manifest is a YAML file. `plugboard check` finds its mistakes, `plugboard schema` prints a JSON Schema of it, with which editors complete:",
    "write `# yaml-language-server: $schema=board.schema.json` into the first line. Numbers may be written `0x0900_0000`, sizes `64MiB`, times",
    "`10ms`, interrupts `spi 1` or `ppi 11`.",
    "",
    "## At the top",
    "",
    ...keysTable(schema.properties, schema.required),
    "",
    "In `platform`:",
    "",
    ...keysTable(platform.properties, platform.required),
    "",
    "A range of memory:",
    "",
    ...keysTable(schema.$defs.range.properties, schema.$defs.range.required),
    "",
    "## A domain",
    "",
    ...keysTable(domains.items.properties, domains.items.required),
    "",
    "## Plugins",
    "",
    "An entry of `plugins` names one by `use: NAME`; a plugin of your own is `use: ./file.ts`, `jsr:`, `npm:` or `https:`. What each models is in",
    "[models.md](models.md).",
    ...plugins.flatMap((plugin) => {
      const needs = plugin.needs?.length ? `Needs ${plugin.needs.map(({ name }) => `\`${name}\``).join(", ")}. ` : "";
      const provides = plugin.provides?.length ? `Provides ${plugin.provides.map(({ name }) => `\`${name}\``).join(", ")}.` : "";
      const capabilities = `${needs}${provides}`.trim();
      return ["", `### ${plugin.name}`, "", plugin.doc, ...capabilities ? ["", capabilities] : [], "", ...optionsTable(plugin)];
    }),
    "",
    "## Boards of this repository",
    "",
    ...table(["board", "what it shows"], await boardsHere()),
    "",
  ].join("\n");
}

/** What each plugin models. Throws when one has no prose, or prose no plugin. */
export function modelsPage(): string {
  const told = chapters.flatMap(({ about }) => about.flatMap((prose) => prose.plugins));
  const untold = plugins.map(({ name }) => name).filter((name) => !told.includes(name));
  const unknown = told.filter((name) => !plugins.some((plugin) => plugin.name === name));
  if (untold.length > 0 || unknown.length > 0) {
    throw new Error(
      `docs/models_prose.ts: nothing is said of ${untold.join(", ") || "none"}; no such plugin: ${unknown.join(", ") || "none"}`,
    );
  }
  const docOf = (name: string) => plugins.find((plugin) => plugin.name === name)!.doc;
  return [
    NOTICE,
    "",
    "# What is modelled, and what isn't",
    "",
    "Each plugin's options are in [boards.md](boards.md). What holds for all: times are virtual, and nothing that a device does takes any, unless its",
    "section says so.",
    ...chapters.flatMap(({ title, about }) => [
      "",
      `## ${title}`,
      ...about.flatMap(({ plugins: names, models, not }) => [
        "",
        `### ${names.map((name) => `\`${name}\``).join(", ")}`,
        "",
        ...names.map((name) => `- \`${name}\`: ${docOf(name)}`),
        "",
        `**Models.** ${models}`,
        "",
        `**Doesn't.** ${not}`,
      ]),
    ]),
    "",
  ].join("\n");
}

/** The pages by their paths, as `deno fmt` leaves them. */
export async function pages(): Promise<Record<string, string>> {
  return { "docs/boards.md": await formatted(await boardsPage()), "docs/models.md": await formatted(modelsPage()) };
}

async function formatted(text: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    cwd: new URL("..", import.meta.url).pathname,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout } = await child.output();
  if (code !== 0) throw new Error("deno fmt failed");
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(await pages())) await Deno.writeTextFile(new URL(`../${path}`, import.meta.url), text);
}
