/** A flame graph as a picture: each function as wide as its share, who it was called by below it. */

interface Node {
  readonly name: string;
  count: number;
  readonly children: Map<string, Node>;
}

const WIDTH = 1200;
const ROW = 17;
const MARGIN = 10;
/** Narrower ones can't be seen. */
const NARROWEST = 0.3;
/** Of a character of the font. */
const CHARACTER = 6.6;

/** The picture of folded stacks: a line for each stack, names divided by semicolons, and a number. */
export function flameSvg(folded: string, title: string): string {
  const root: Node = { name: "all", count: 0, children: new Map() };
  for (const line of folded.split("\n")) {
    const [, stack, number] = line.match(/^(.*) (\d+)$/) ?? [];
    if (stack !== undefined) add(root, stack.split(";"), Number(number));
  }
  const rows = depthOf(root);
  const height = rows * ROW + 3 * MARGIN + 20;
  const boxes: string[] = [];
  draw(root, 0, 0, root.count, height - 2 * MARGIN, boxes);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH + 2 * MARGIN} ${height}" font-family="monospace" font-size="11">`,
    `<style>rect{stroke:#fff;stroke-width:.5}g:hover>rect{fill:#7ac}text{pointer-events:none}</style>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${WIDTH / 2 + MARGIN}" y="18" text-anchor="middle" font-size="14">${escape(title)}: ${root.count} samples</text>`,
    ...boxes,
    `</svg>`,
    "",
  ].join("\n");
}

function add(root: Node, names: readonly string[], count: number): void {
  root.count += count;
  let node = root;
  for (const name of names) {
    let child = node.children.get(name);
    if (child === undefined) node.children.set(name, child = { name, count: 0, children: new Map() });
    child.count += count;
    node = child;
  }
}

const depthOf = (node: Node): number => 1 + Math.max(0, ...[...node.children.values()].map(depthOf));

/** `from` is in samples, from the left; the row's lower edge is at `bottom`. */
function draw(node: Node, depth: number, from: number, total: number, bottom: number, boxes: string[]): void {
  const width = node.count / total * WIDTH;
  if (!(width >= NARROWEST)) return;
  const x = MARGIN + from / total * WIDTH;
  const y = bottom - (depth + 1) * ROW;
  const share = `${(node.count / total * 100).toFixed(2)} %`;
  const room = Math.floor((width - 4) / CHARACTER);
  const label = node.name.length <= room ? node.name : room > 3 ? `${node.name.slice(0, room - 2)}..` : "";
  boxes.push(
    `<g><title>${escape(node.name)}: ${node.count} samples, ${share}</title><rect x="${x.toFixed(2)}" y="${y}" width="${
      width.toFixed(2)
    }" height="${ROW}" fill="${color(node.name)}"/>${label && `<text x="${(x + 2).toFixed(2)}" y="${y + 12}">${escape(label)}</text>`}</g>`,
  );
  let at = from;
  for (const child of [...node.children.values()].sort((a, b) => a.name < b.name ? -1 : 1)) {
    draw(child, depth + 1, at, total, bottom, boxes);
    at += child.count;
  }
}

/** Warm, and the same for the same name. */
function color(name: string): string {
  let hash = 0;
  for (const letter of name) hash = Math.imul(hash, 31) + letter.charCodeAt(0) >>> 0;
  return `hsl(${10 + hash % 45},${70 + (hash >>> 8) % 20}%,${60 + (hash >>> 16) % 15}%)`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
