/** The `platform` of a manifest: fetched and read before anything else is checked, because the board's RAM may come from it. */
import type { Findings } from "./findings.ts";
import { platformKeys } from "./manifest_keys.ts";
import { convertOption, describe } from "./option_values.ts";
import type { Platform, PlatformReader } from "./platform.ts";

/** Reads the platform that a manifest names, if it does. What goes wrong is a finding; then there is none. */
export async function platformOf(
  data: Readonly<Record<string, unknown>>,
  read: PlatformReader | undefined,
  findings: Findings,
): Promise<Platform | undefined> {
  const given = data.platform;
  if (given === undefined || given === null) return undefined;
  if (typeof given !== "object" || Array.isArray(given)) {
    const found = describe(given);
    findings.add({ code: "M0103", title: `platform is ${found}; want a mapping with dtb`, found, help: "platform: { dtb: FILE }" }, {
      path: ["platform"],
    });
    return undefined;
  }
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(platformKeys, key)) continue;
    findings.add({ code: "M0101", title: `platform has no option ${key}`, found: key, help: "there is dtb" }, {
      path: ["platform", key],
      on: "key",
    });
  }
  const { dtb } = given as Record<string, unknown>;
  if (dtb === undefined || dtb === null) {
    findings.add({ code: "M0102", title: "platform needs the option dtb", help: `dtb: ${platformKeys.dtb.doc}` }, { path: ["platform"] });
    return undefined;
  }
  const reference = convertOption(platformKeys.dtb, dtb);
  if ("problem" in reference) {
    findings.addValue("dtb of platform", reference.problem, ["platform", "dtb"]);
    return undefined;
  }
  if (read === undefined) {
    findings.add({ code: "M0801", title: "nothing here reads platforms" }, { path: ["platform", "dtb"] });
    return undefined;
  }
  try {
    return await read(reference.value as string);
  } catch (error) {
    const title = `dtb of platform: ${error instanceof Error ? error.message : error}`;
    findings.add({ code: "M0801", title }, { path: ["platform", "dtb"] });
    return undefined;
  }
}
