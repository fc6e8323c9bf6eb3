/** A 9P client of the tests' own, on a server with a folder of the host's, and beside it a folder that nobody may reach. */
import { assertEquals } from "@std/assert";
import { openHostFolder } from "../../../../core/mod.ts";
import { mappedOwners } from "../owners.ts";
import type { Owners } from "../owners.ts";
import { errnos, HEADER, Message, NOBODY } from "../protocol.ts";
import { NinepServer } from "../server.ts";
import type { NinepState } from "../server.ts";
import { Reader, Writer } from "../wire.ts";

/** What a server refused, by POSIX's name. */
export class Refused extends Error {}

/** Whole bytes of a message. */
export type Body = (request: Writer) => Writer;

/** A shared folder, its surroundings and a client. */
export class Share {
  readonly top: string = Deno.makeTempDirSync({ prefix: "plugboard-9p" });
  readonly inside: string = `${this.top}/inside`;
  readonly outside: string = `${this.top}/outside`;
  readonly state: NinepState = { msize: 0, fids: new Map(), devices: [] };
  readonly server: NinepServer;

  constructor({ write = true, owners = mappedOwners({ uid: Deno.uid()!, gid: Deno.gid()! }, { uid: 0, gid: 0 }) }: {
    readonly write?: boolean;
    readonly owners?: Owners;
  } = {}) {
    for (const directory of [this.inside, this.outside, `${this.inside}/sub`, `${this.outside}/sub`]) Deno.mkdirSync(directory);
    Deno.writeTextFileSync(`${this.outside}/secret`, "secret");
    Deno.writeTextFileSync(`${this.inside}/file`, "0123456789");
    Deno.writeTextFileSync(`${this.inside}/sub/deep`, "deep");
    Deno.symlinkSync("../outside", `${this.inside}/out`);
    Deno.symlinkSync("../outside/secret", `${this.inside}/secret`);
    this.server = new NinepServer({ folder: openHostFolder(this.inside, { write }), state: this.state, owners });
  }

  /** A client with the folder as fid 0. */
  start(msize = 8192): this {
    const version = this.call(Message.VERSION, (request) => request.u32(msize).text("9P2000.L"));
    assertEquals([version.u32() <= msize, version.text()], [true, "9P2000.L"]);
    this.call(Message.ATTACH, (request) => request.u32(0).u32(NOBODY).text("").text("").u32(0));
    return this;
  }

  /** Sends a message, and checks the answer's form. Throws {@linkcode Refused}. */
  call(type: number, body: Body, room = 2 ** 20): Reader {
    const answer = this.raw(body(new Writer()).finish(type, 77), room);
    const view = new DataView(answer.buffer, answer.byteOffset);
    assertEquals([view.getUint32(0, true), view.getUint16(5, true), answer.length <= room], [answer.length, 77, true]);
    const reader = new Reader(answer.subarray(HEADER));
    if (view.getUint8(4) === type + 1) return reader;
    assertEquals([view.getUint8(4), answer.length], [Message.LERROR + 1, HEADER + 4]);
    const errno = reader.u32();
    throw new Refused(Object.entries(errnos).find(([, number]) => number === errno)?.[0] ?? String(errno));
  }

  raw(bytes: Uint8Array, room = 2 ** 20): Uint8Array {
    return this.server.answer(bytes, room);
  }

  /** The code of what is refused; `ok` when it isn't. */
  code(type: number, body: Body): string {
    try {
      this.call(type, body);
      return "ok";
    } catch (error) {
      if (error instanceof Refused) return error.message;
      throw error;
    }
  }

  /** Walks from a fid; how many names there were. */
  walk(fid: number, to: number, ...names: readonly string[]): number {
    const walked = this.call(Message.WALK, (request) => {
      request.u32(fid).u32(to).u16(names.length);
      for (const name of names) request.text(name);
      return request;
    });
    return walked.u16();
  }

  open(fid: number, flags: number): void {
    this.call(Message.LOPEN, (request) => request.u32(fid).u32(flags));
  }

  read(fid: number, offset: number, size: number): string {
    const answer = this.call(Message.READ, (request) => request.u32(fid).u64(offset).u32(size));
    return new TextDecoder().decode(answer.data(answer.u32()));
  }

  write(fid: number, offset: number, text: string): number {
    const bytes = new TextEncoder().encode(text);
    return this.call(Message.WRITE, (request) => {
      return request.u32(fid).u64(offset).data(bytes.length, (into) => (into.set(bytes), bytes.length));
    }).u32();
  }

  /** Names of an open directory, read in portions of `size` bytes. */
  list(fid: number, size: number): string[] {
    const names: string[] = [];
    for (let offset = 0n;;) {
      const answer = this.call(Message.READDIR, (request) => request.u32(fid).u64(offset).u32(size));
      const entries = new Reader(answer.data(answer.u32()));
      if (entries.left === 0) return names;
      while (entries.left > 0) {
        entries.data(13);
        offset = entries.u64();
        entries.u8();
        names.push(entries.text());
      }
    }
  }

  clunk(fid: number): void {
    this.call(Message.CLUNK, (request) => request.u32(fid));
  }

  /** What is outside: names, kinds, times and contents. */
  surroundings(): string {
    const tell = (path: string): unknown => {
      const { mtime, mode, isDirectory, nlink, size } = Deno.lstatSync(path);
      const names = isDirectory ? [...Deno.readDirSync(path)].map(({ name }) => name).sort() : [];
      const text = isDirectory ? "" : Deno.readTextFileSync(path);
      return [path, mtime, mode, isDirectory || nlink, isDirectory || size, text, names.map((name) => tell(`${path}/${name}`))];
    };
    return JSON.stringify([tell(this.outside), [...Deno.readDirSync(this.top)].map(({ name }) => name).sort()]);
  }

  [Symbol.dispose](): void {
    this.server.reset();
    Deno.removeSync(this.top, { recursive: true });
  }
}
