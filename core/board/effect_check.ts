/** Options that a manifest gives, and that change nothing because of what another option says. */
import type { PluginUse } from "./board.ts";
import type { Findings } from "./findings.ts";
import type { OptionSpec } from "./options.ts";

/** `given`: what the manifest says of the plugin. */
export function checkEffects({ plugin, options, path }: PluginUse, given: Readonly<Record<string, unknown>>, findings: Findings): void {
  for (const [name, { onlyWith = {} }] of Object.entries<OptionSpec>(plugin.options)) {
    if (given[name] === undefined || given[name] === null) continue;
    for (const [other, values] of Object.entries(onlyWith)) {
      const isMet = values === "given" ? options[other] !== undefined : values.includes(options[other]);
      if (isMet) continue;
      const want = values === "given" ? `${other} is given` : `${other} is ${values.join(" or ")}`;
      const isSaid = given[other] !== undefined;
      findings.add(
        { severity: "warning", code: "M0108", title: `${name} of ${plugin.name} has no effect: it has one only where ${want}` },
        { path: [...path, name] },
        { path: [...path, isSaid ? other : "use"], note: isSaid ? `${other} is ${options[other]}` : `${other} isn't given` },
      );
    }
  }
}
