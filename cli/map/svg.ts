/**
 * A board's map as a picture: one panel an address space. Ranges stand one below the other by address, taller the larger they are
 * (each doubling adds the same); what is between them is left out. Wires lead from devices to the interrupt controller.
 */
import { hex, printSize } from "../../core/mod.ts";
import type { MapInterrupt, MapRange, MapSpace, RangeKind } from "./layout.ts";
import { interruptName, rangeNote } from "./text.ts";

const kinds: Readonly<Record<RangeKind, { readonly fill: string; readonly edge: string; readonly meaning: string }>> = {
  ram: { fill: "#d9efdc", edge: "#4a8f57", meaning: "memory" },
  trapped: { fill: "#fdebc8", edge: "#b9812b", meaning: "each access exits" },
  mapped: { fill: "#d7e6fb", edge: "#4775b5", meaning: "no exits" },
  device: { fill: "#e9dff5", edge: "#7d5ba6", meaning: "on the bus" },
  reserved: { fill: "#ececec", edge: "#888888", meaning: "reserved" },
};

const MARGIN = 24;
const TOP = 104;
const ADDRESSES = 132;
const BLOCK = 250;
const WIRES = 120;
const CONTROLLER = 132;
const GAP = 16;
const PIN = 24;

/** A block that wires can start at: its right edge, and how many have been drawn. */
interface Anchor {
  readonly top: number;
  readonly height: number;
  readonly wires: number;
  used: number;
}

/** The picture. The same map gives the same text. */
export function mapSvg(board: string, spaces: readonly MapSpace[]): string {
  const panels: string[] = [];
  let x = MARGIN;
  let bottom = 0;
  for (const space of spaces) {
    const panel = drawPanel(space, x);
    panels.push(...panel.lines);
    x += panel.width + 2 * MARGIN;
    bottom = Math.max(bottom, panel.bottom);
  }
  const used = new Set(spaces.flatMap(({ ranges }) => ranges.map(({ kind }) => kind)));
  const legend = drawLegend((Object.keys(kinds) as RangeKind[]).filter((kind) => used.has(kind)));
  const width = Math.max(x - MARGIN, legend.width + MARGIN);
  const height = bottom + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escape(`Map of the board ${board}`)}</title>`,
    "<style>text{font:13px system-ui,'DejaVu Sans',sans-serif;fill:#222}.a{font:12px ui-monospace,'DejaVu Sans Mono',monospace;fill:#555}" +
    ".h{font-weight:600;font-size:15px}.b{font-weight:700;font-size:20px}.s{font-size:11.5px;fill:#555}</style>",
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(MARGIN, 36, board, "b"),
    ...legend.lines,
    ...panels,
    "</svg>",
    "",
  ].join("\n");
}

function drawLegend(used: readonly RangeKind[]): { lines: string[]; width: number } {
  let x = MARGIN;
  const lines: string[] = [];
  for (const kind of used) {
    const { fill, edge, meaning } = kinds[kind];
    lines.push(rect(x, 50, 14, 14, fill, edge), text(x + 20, 61, meaning, "s"));
    x += 36 + meaning.length * 7;
  }
  return { lines, width: x };
}

function drawPanel({ title, ranges, interrupts, controller }: MapSpace, x: number): { lines: string[]; width: number; bottom: number } {
  const left = x + ADDRESSES;
  const lines = [text(x, TOP - 16, title, "h")];
  const anchors = new Map<string, Anchor>();
  const wires = Map.groupBy(interrupts, wireKey);
  let y = TOP;
  let end: number | undefined;
  for (const [index, range] of ranges.entries()) {
    const contained = end !== undefined && range.at < end;
    if (end !== undefined && range.at > end) {
      lines.push(`<path d="M${left + BLOCK / 2} ${y + 3}v${GAP - 6}" stroke="#999" stroke-width="2" stroke-dasharray="2 3"/>`);
      y += GAP;
    }
    const own = wires.get(`${range.label.replace(/ \(.*/, "")} ${range.at}`)?.length ?? 0;
    const height = Math.max(blockHeight(range.size), own * 12 + 8);
    lines.push(...drawBlock(range, contained ? left + 14 : left, y, contained ? BLOCK - 14 : BLOCK, height));
    lines.push(text(left - 10, y + 14, hex(range.at), "a", "end"));
    const joined = ranges[index + 1]?.at <= range.at + range.size;
    if (height >= 44 && !joined) lines.push(text(left - 10, y + height - 5, hex(range.at + range.size - 1), "a", "end"));
    if (own > 0) anchors.set(`${range.label.replace(/ \(.*/, "")} ${range.at}`, { top: y, height, wires: own, used: 0 });
    y += height;
    end = Math.max(end ?? 0, range.at + range.size);
  }
  if (interrupts.length === 0) return { lines, width: ADDRESSES + BLOCK, bottom: y };
  // A device without a window, such as a timer, stands below the addresses.
  for (const [key, driven] of wires) {
    if (anchors.has(key)) continue;
    y += GAP;
    const height = Math.max(28, driven.length * 12 + 8);
    lines.push(`<rect x="${left}" y="${y}" width="${BLOCK}" height="${height}" rx="14" fill="#f6f6f6" stroke="#888"/>`);
    lines.push(text(left + 12, y + height / 2 + 4.5, driven[0].device));
    anchors.set(key, { top: y, height, wires: driven.length, used: 0 });
    y += height;
  }
  const pillar = drawController(interrupts, controller ?? "interrupts", anchors, left + BLOCK);
  return { lines: [...lines, ...pillar.lines], width: ADDRESSES + BLOCK + WIRES + CONTROLLER, bottom: Math.max(y, pillar.bottom) };
}

const wireKey = ({ device, at }: MapInterrupt) => `${device} ${at}`;

/** 26 pixels for a page or less, and 4 more for each doubling. */
function blockHeight(size: number): number {
  return 26 + Math.round(4 * Math.max(0, Math.log2(size / 4096)));
}

function drawBlock(range: MapRange, x: number, y: number, width: number, height: number): string[] {
  const { kind, label, at, size, detail } = range;
  const { fill, edge } = kinds[kind];
  const whole = [`${hex(at)} to ${hex(at + size - 1)}, ${label}`, rangeNote(range)].filter(Boolean).join(": ");
  const room = Math.floor((width - 90) / 6.8);
  const short = label.length > room ? `${label.slice(0, room - 1)}…` : label;
  return [
    `<g><title>${escape(whole)}</title>`,
    rect(x, y, width, height, fill, edge),
    text(x + 10, y + 17.5, short),
    text(x + width - 10, y + 17.5, printSize(size), "s", "end"),
    ...detail !== "" && height >= 40 ? [text(x + 10, y + 33, detail, "s")] : [],
    "</g>",
  ];
}

function drawController(interrupts: readonly MapInterrupt[], name: string, anchors: Map<string, Anchor>, from: number) {
  // Pins in the order of the devices, so that wires don't cross; within a device by INTID.
  const top = (interrupt: MapInterrupt) => anchors.get(wireKey(interrupt))!.top;
  const pins = [...interrupts].sort((a, b) => top(a) - top(b) || a.intid - b.intid);
  const x = from + WIRES;
  const head = 34;
  const height = head + pins.length * PIN + 6;
  const y = Math.max(TOP, top(pins[0]) - head);
  const lines = [
    `<rect x="${x}" y="${y}" width="${CONTROLLER}" height="${height}" rx="6" fill="#fbfbfb" stroke="#444"/>`,
    text(x + CONTROLLER / 2, y + 22, name, "h", "middle"),
  ];
  for (const [index, pin] of pins.entries()) {
    const anchor = anchors.get(wireKey(pin))!;
    const start = anchor.top + anchor.height * (++anchor.used) / (anchor.wires + 1);
    const end = y + head + index * PIN + PIN / 2;
    const bend = from + WIRES / 2;
    const dash = pin.trigger === "edge" ? ' stroke-dasharray="5 3"' : "";
    lines.push(
      `<path d="M${from} ${round(start)}C${bend} ${round(start)} ${bend} ${round(end)} ${x} ${
        round(end)
      }" fill="none" stroke="#777"${dash}/>`,
      `<circle cx="${x}" cy="${round(end)}" r="3" fill="#444"/>`,
      text(x + 10, end + 4, interruptName(pin.intid)),
      text(x + CONTROLLER - 10, end + 4, `${pin.intid} ${pin.trigger}`, "s", "end"),
    );
  }
  return { lines, bottom: y + height };
}

const round = (value: number) => Math.round(value * 10) / 10;

function rect(x: number, y: number, width: number, height: number, fill: string, edge: string): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="3" fill="${fill}" stroke="${edge}"/>`;
}

function text(x: number, y: number, content: string, style = "", anchor?: "end" | "middle"): string {
  const attributes = `${style && ` class="${style}"`}${anchor ? ` text-anchor="${anchor}"` : ""}`;
  return `<text x="${round(x)}" y="${round(y)}"${attributes}>${escape(content)}</text>`;
}

/** Names come from manifests: nothing of them is markup. */
function escape(content: string): string {
  const marks: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  // deno-lint-ignore no-control-regex -- XML has no way to say these
  return content.replace(/[\u0000-\u001f\ufffe\uffff]/g, "\ufffd").replace(/[&<>"]/g, (mark) => marks[mark]);
}
