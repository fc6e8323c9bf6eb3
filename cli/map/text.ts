/** A board's map as text. */
import { hex, printSize } from "../../core/mod.ts";
import type { MapRange, MapSpace } from "./layout.ts";

/** One block a space: ranges by address, then interrupts. */
export function mapText(board: string, spaces: readonly MapSpace[]): string {
  return [`board ${board}`, ...spaces.map(spaceText)].join("\n\n");
}

/** `spi 1`. */
export function interruptName(intid: number): string {
  return intid >= 32 ? `spi ${intid - 32}` : `ppi ${intid - 16}`;
}

/** `rw- device-ngnre`, `each access exits`. */
export function rangeNote({ kind, detail }: MapRange): string {
  return [kind === "trapped" ? "each access exits" : kind === "mapped" ? "no exits" : kind === "device" ? "on the bus" : "", detail]
    .filter(Boolean).join(", ");
}

function spaceText({ title, ranges, interrupts, controller }: MapSpace): string {
  const rows = ranges.map((range) => [hex(range.at), hex(range.at + range.size - 1), printSize(range.size), range.label, rangeNote(range)]);
  const lines = [title, ...table(rows, [true, true, true])];
  if (ranges.length === 0) lines.push("  nothing");
  if (interrupts.length > 0) {
    const wires = interrupts.map(({ intid, trigger, device, at }) => [
      interruptName(intid),
      `INTID ${intid}`,
      trigger,
      at === undefined ? device : `${device} at ${hex(at)}`,
    ]);
    lines.push("", `  interrupts${controller === undefined ? "" : ` to ${controller}`}`, ...table(wires, []));
  }
  return lines.join("\n");
}

/** Columns of equal width; `right`: those that are flush right. */
function table(rows: readonly (readonly string[])[], right: readonly boolean[]): string[] {
  const width = (column: number) => Math.max(...rows.map((row) => row[column].length));
  return rows.map((row) =>
    `  ${row.map((cell, column) => right[column] ? cell.padStart(width(column)) : cell.padEnd(width(column))).join("  ")}`.trimEnd()
  );
}
