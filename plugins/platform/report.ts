/** The table that `check` prints of a platform. */
import { hex, printSize } from "../../core/mod.ts";
import type { Platform, PlatformDevice, PlatformRange } from "../../core/mod.ts";

/** Rows for what nothing here models; the rest is counted. */
const UNKNOWN_ROWS = 12;
/** Rows of one kind. */
const ROWS = 24;

const range = ({ at, size }: PlatformRange) => `${hex(at)} to ${hex(at + Math.max(size, 1) - 1)}, ${printSize(size)}`;

/** Lines: what was taken, what was reserved, what is known, and what isn't. */
export function report(platform: Omit<Platform, "report">): string[] {
  const rows: [label: string, text: string][] = [];
  const list = (label: string, texts: readonly string[]) => {
    for (const [index, text] of texts.slice(0, ROWS).entries()) rows.push([index === 0 ? label : "", text]);
    if (texts.length > ROWS) rows.push(["", `and ${texts.length - ROWS} more`]);
  };
  list("platform", [platform.model]);
  list("CPUs", [String(platform.cpus)]);
  list("RAM", platform.memory.map(range));
  list("reserved", platform.reserved.map((entry) => `${range(entry)}: ${entry.name}`));
  const known = platform.devices.filter(({ role }) => role !== "unknown");
  for (const role of new Set(known.map((device) => device.role))) {
    list(role, known.filter((device) => device.role === role).map(deviceText));
  }
  const unknown = platform.devices.filter(({ role, windows }) => role === "unknown" && windows.length > 0);
  list("unknown, absent", [
    ...unknown.slice(0, UNKNOWN_ROWS).map(({ path, compatible }) => `${path} (${compatible[0]})`),
    ...unknown.length > UNKNOWN_ROWS ? [`and ${unknown.length - UNKNOWN_ROWS} more devices`] : [],
  ]);
  list("not said", platform.problems);
  const width = Math.max(...rows.map(([label]) => label.length)) + 2;
  return rows.map(([label, text]) => `  ${label.padEnd(width)}${text}`);
}

function deviceText({ path, windows, detail }: PlatformDevice): string {
  return `${windows.length ? `${hex(windows[0].at)} ` : ""}${path}: ${detail}`;
}
