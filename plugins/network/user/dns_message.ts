/** DNS messages (RFC 1035): one question taken apart, an answer built from records as text. */
import type { RecordType, Resolution } from "../../../core/mod.ts";
import { concat, get16, put16 } from "../bytes.ts";
import { parseIpv4 } from "./addresses.ts";

const HEADER = 12;
const TYPES: Readonly<Record<RecordType, number>> = { A: 1, NS: 2, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33 };
const INTERNET = 1;
/** Flags: response, recursion desired, recursion available. */
const [RESPONSE, DESIRED, AVAILABLE] = [0x8000, 0x0100, 0x0080];
/** Response codes. */
const Code = { OK: 0, FORMAT: 1, SERVER: 2, NAME: 3, NOT_IMPLEMENTED: 4, REFUSED: 5 } as const;
/** Without the record's own at hand. */
const TTL_SECONDS = 60;
const TRUNCATED = 0x0200;
/** A response by UDP has at most so many bytes. */
const LONGEST = 512;

/** A question. */
export interface Question {
  readonly id: number;
  readonly name: string;
  /** Undefined: a type that isn't answered. */
  readonly type: RecordType | undefined;
  /** From the header's end: the answer repeats it. */
  readonly bytes: Uint8Array;
  readonly desired: boolean;
}

/** Undefined for what isn't a query with one question. */
export function parseQuestion(message: Uint8Array): Question | undefined {
  if (message.length < HEADER || (get16(message, 2) & 0xf800) !== 0 || get16(message, 4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (let total = 0; message[at] !== 0;) {
    const length = message[at];
    total += 1 + length;
    // 63 at most in a label, no pointers in a question, 255 in all.
    if (length === undefined || length > 63 || total > 254 || at + 1 + length > message.length) return undefined;
    const label = message.subarray(at + 1, at + 1 + length);
    if (label.some((character) => character < 0x21 || character > 0x7e || character === 0x2e)) return undefined;
    labels.push(String.fromCharCode(...label));
    at += 1 + length;
  }
  if (at + 5 > message.length || get16(message, at + 3) !== INTERNET) return undefined;
  const number = get16(message, at + 1);
  const [type] = (Object.entries(TYPES) as [RecordType, number][]).find(([, value]) => value === number) ?? [];
  return {
    id: get16(message, 0),
    name: labels.join("."),
    type,
    bytes: message.slice(HEADER, at + 5),
    desired: (get16(message, 2) & DESIRED) !== 0,
  };
}

/** What the name server says, or why it says nothing. */
export function buildAnswer(question: Question, resolution: Resolution | { readonly kind: "refused" | "not-implemented" }): Uint8Array {
  const records = resolution.kind === "found" ? resolution.records.flatMap((text) => recordBytes(question.type!, text) ?? []) : [];
  const codes = {
    found: Code.OK,
    none: Code.OK,
    "no-such-name": Code.NAME,
    failed: Code.SERVER,
    refused: Code.REFUSED,
    "not-implemented": Code.NOT_IMPLEMENTED,
  };
  const parts: Uint8Array[] = [new Uint8Array(HEADER), question.bytes];
  let size = HEADER + question.bytes.length;
  let count = 0;
  let truncated = 0;
  for (const data of records) {
    if (size + HEADER + data.length > LONGEST) {
      truncated = TRUNCATED;
      break;
    }
    const head = new Uint8Array(12);
    put16(head, 0, 0xc000 | HEADER); // the question's name
    put16(head, 2, TYPES[question.type!]);
    put16(head, 4, INTERNET);
    put16(head, 8, TTL_SECONDS);
    put16(head, 10, data.length);
    parts.push(head, data);
    size += head.length + data.length;
    count++;
  }
  put16(parts[0], 0, question.id);
  put16(parts[0], 2, RESPONSE | (question.desired ? DESIRED : 0) | AVAILABLE | truncated | codes[resolution.kind]);
  put16(parts[0], 4, 1);
  put16(parts[0], 6, count);
  return concat(...parts);
}

/** Undefined when the text isn't such a record. */
function recordBytes(type: RecordType, text: string): Uint8Array | undefined {
  const words = (count: number) => {
    const fields = text.split(" ");
    const numbers = fields.slice(0, count).map(Number);
    if (fields.length !== count + 1 || numbers.some((number) => !(number >= 0 && number <= 0xffff))) return undefined;
    const bytes = new Uint8Array(2 * count);
    numbers.forEach((number, n) => put16(bytes, 2 * n, number));
    const target = nameBytes(fields[count]);
    return target && concat(bytes, target);
  };
  switch (type) {
    case "A": {
      const address = parseIpv4(text);
      return address === undefined ? undefined : Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
    }
    case "AAAA":
      return undefined; // there is no IPv6 here
    case "MX":
      return words(1);
    case "SRV":
      return words(3);
    case "TXT": {
      const bytes = new TextEncoder().encode(text);
      const strings = [];
      for (let at = 0; at < bytes.length || at === 0; at += 255) {
        const piece = bytes.subarray(at, at + 255);
        strings.push(Uint8Array.of(piece.length), piece);
      }
      return concat(...strings);
    }
    default:
      return nameBytes(text);
  }
}

function nameBytes(name: string): Uint8Array | undefined {
  const labels = name.replace(/\.$/, "").split(".").map((label) => new TextEncoder().encode(label));
  if (labels.some(({ length }) => length < 1 || length > 63)) return undefined;
  const bytes = concat(...labels.flatMap((label) => [Uint8Array.of(label.length), label]), Uint8Array.of(0));
  return bytes.length <= 255 ? bytes : undefined;
}
