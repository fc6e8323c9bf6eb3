/** From a path in the data to a line and column in the text. Loaded only when there is something to show. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Node } from "yaml";
import type { Place, Span } from "./diagnostics.ts";

/** A syntax error, or a repeated key with its first occurrence. */
export interface SyntaxFinding {
  readonly duplicate: boolean;
  readonly message: string;
  readonly spans: readonly Span[];
}

/** A manifest's text with its syntax tree. */
export class Locator {
  readonly #document;
  readonly #lines = new LineCounter();
  readonly #text: string[];

  constructor(readonly text: string, readonly file: string) {
    this.#text = text.split(/\r?\n/);
    this.#document = parseDocument(text, { lineCounter: this.#lines, version: "1.2", schema: "core", uniqueKeys: false });
  }

  /** The span of a place. What the path names may be missing: then its nearest ancestor. */
  find(place: Place): Span {
    let node = this.#document.contents as Node | null;
    let key: Node | null = null;
    for (const [depth, segment] of place.path.entries()) {
      const step = this.#step(node, segment);
      if (!step) return this.#span(depth === 0 ? null : node ?? key, place.note);
      key = step.key ?? null;
      node = step.value;
    }
    const empty = isScalar(node) && node.value === null && key !== null;
    return this.#span((place.on === "key" || !node || empty) && key ? key : node, place.note);
  }

  /** A span from line and column. */
  at(line: number, column: number, length = 1, note?: string): Span {
    return { file: this.file, line, column, length, text: this.#text[line - 1] ?? "", note };
  }

  /** Every syntax error of the text. */
  syntax(): SyntaxFinding[] {
    const seen = new Set<number>();
    const first = this.#document.errors.filter(({ pos }) => !seen.has(pos[0]) && seen.add(pos[0]));
    return first.map((error) => {
      const { line, col } = this.#lines.linePos(error.pos[0]);
      const message = error.message.replace(/ at line \d+[^]*/, "");
      return { duplicate: false, message, spans: [this.at(line, col, Math.max(1, error.pos[1] - error.pos[0]))] };
    });
  }

  /** Every repeated key, with its first occurrence. */
  duplicates(): SyntaxFinding[] {
    const found: SyntaxFinding[] = [];
    const visit = (node: unknown, depth: number) => {
      if (depth > 64) return;
      if (isSeq(node)) { for (const item of node.items) visit(item, depth + 1); }
      if (!isMap(node)) return;
      const first = new Map<string, Node>();
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : "";
        const earlier = first.get(name);
        if (earlier) {
          found.push({ duplicate: true, message: name, spans: [this.#span(key as Node, "again"), this.#span(earlier, "first")] });
        } else if (isScalar(key)) first.set(name, key);
        visit(value, depth + 1);
      }
    };
    visit(this.#document.contents, 0);
    return found;
  }

  #step(node: Node | null, segment: string | number): { key?: Node; value: Node | null } | undefined {
    const target = isAlias(node) ? node.resolve(this.#document) ?? null : node;
    if (isMap(target)) {
      const pair = target.items.findLast((item) => isScalar(item.key) && String(item.key.value) === String(segment));
      return pair && { key: pair.key as Node, value: pair.value as Node | null };
    }
    if (isSeq(target) && typeof segment === "number" && segment < target.items.length) return { value: target.items[segment] as Node };
    return undefined;
  }

  #span(node: Node | null, note?: string): Span {
    const range = node?.range;
    if (!range) return this.at(1, 1, 1, note);
    const { line, col } = this.#lines.linePos(range[0]);
    const rest = (this.#text[line - 1] ?? "").slice(col - 1).replace(/\s+(#.*)?$/, "").length;
    return this.at(line, col, Math.max(1, Math.min(range[1] - range[0], rest)), note);
  }
}
