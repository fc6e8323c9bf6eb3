/** Reads tar streams: POSIX ustar and pax, "pax Interchange Format", and GNU long names, which is what dpkg writes. */

/** One member. */
export interface TarEntry {
  /** Absolute: `/boot/vmlinuz`. */
  readonly path: string;
  readonly type: "file" | "directory" | "link" | "other";
  readonly size: number;
  /** Where a symbolic or hard link points; a hard link's target is absolute. */
  readonly target: string;
}

const BLOCK = 512;

/** Hands out exact numbers of bytes from a stream of chunks. */
class Source {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  private chunk = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array>) {
    this.reader = stream.getReader();
  }

  /** Passes `count` bytes on in pieces; false when the stream ends before. */
  private async each(count: number, piece: (bytes: Uint8Array) => void): Promise<boolean> {
    while (count > 0) {
      if (this.chunk.length === 0) {
        const { done, value } = await this.reader.read();
        if (done) return false;
        this.chunk = value as Uint8Array<ArrayBuffer>;
        continue;
      }
      const part = this.chunk.subarray(0, count);
      piece(part);
      this.chunk = this.chunk.subarray(part.length);
      count -= part.length;
    }
    return true;
  }

  async take(count: number): Promise<Uint8Array | undefined> {
    const result = new Uint8Array(count);
    let at = 0;
    const whole = await this.each(count, (bytes) => {
      result.set(bytes, at);
      at += bytes.length;
    });
    return whole ? result : undefined;
  }

  skip(count: number): Promise<boolean> {
    return this.each(count, () => {});
  }

  /** Reads the rest, so that the program that writes it can end. */
  async drain(): Promise<void> {
    while (!(await this.reader.read()).done);
  }
}

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replace(/\0.*/s, "");

function numberOf(bytes: Uint8Array): number {
  // GNU: values that octal digits can't hold are binary, with the top bit set.
  if (bytes[0] & 0x80) return bytes.subarray(1).reduce((value, byte) => value * 256 + byte, 0);
  return parseInt(textOf(bytes).trim() || "0", 8);
}

/** `17 path=./x\n` records. */
function paxRecords(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? NaN : Number(new TextDecoder().decode(bytes.subarray(at, space)));
    if (!(length > space - at)) break;
    const [key, ...value] = new TextDecoder().decode(bytes.subarray(space + 1, at + length - 1)).split("=");
    records.set(key, value.join("="));
    at += length;
  }
  return records;
}

const absolute = (path: string) => `/${path.replace(/^(\.?\/)+/, "").replace(/\/+$/, "")}`;
const typeNames: Record<string, TarEntry["type"]> = { "0": "file", "\0": "file", "7": "file", "5": "directory", "1": "link", "2": "link" };

/** Calls `visit` for each member; when it says so, passes the content to `content`. Throws on a damaged stream. */
export async function readTar(
  stream: ReadableStream<Uint8Array>,
  visit: (entry: TarEntry) => boolean,
  content: (entry: TarEntry, bytes: Uint8Array) => void,
): Promise<void> {
  const source = new Source(stream);
  const cut = () => new Error("the archive ends in the middle of a file");
  let long: { path?: string; target?: string; size?: number } = {};
  for (;;) {
    const header = await source.take(BLOCK);
    if (!header || header.every((byte) => byte === 0)) break;
    const kind = String.fromCharCode(header[156]);
    const size = long.size ?? numberOf(header.subarray(124, 136));
    if (!Number.isSafeInteger(size) || size < 0) throw new Error("not a tar archive");
    const padding = (BLOCK - size % BLOCK) % BLOCK;
    if ("xLK".includes(kind)) {
      const bytes = await source.take(size);
      if (!bytes || !await source.skip(padding)) throw cut();
      if (kind === "L") long.path = textOf(bytes);
      else if (kind === "K") long.target = textOf(bytes);
      else {
        const pax = paxRecords(bytes);
        long = { path: pax.get("path"), target: pax.get("linkpath"), size: pax.has("size") ? Number(pax.get("size")) : undefined };
      }
      continue;
    }
    const prefix = textOf(header.subarray(257, 262)) === "ustar" && header[263] === 0x30 ? textOf(header.subarray(345, 500)) : "";
    const short = textOf(header.subarray(0, 100));
    const target = long.target ?? textOf(header.subarray(157, 257));
    const entry: TarEntry = {
      path: absolute(long.path ?? (prefix === "" ? short : `${prefix}/${short}`)),
      type: typeNames[kind] ?? "other",
      size,
      target: kind === "1" ? absolute(target) : target,
    };
    long = {};
    if (visit(entry) && entry.type === "file") {
      const bytes = await source.take(size);
      if (!bytes) throw cut();
      content(entry, bytes);
    } else if (!await source.skip(size)) throw cut();
    if (!await source.skip(padding)) throw cut();
  }
  await source.drain();
}
