/**
 * A 9P2000.L server for one folder of the host: a request in, an answer out, at once.
 *
 * What can a hostile driver do here? It may send any bytes. A message that is too short or too long, a fid that isn't there, a name with a
 * slash in it get an error number; names are only ever looked up below the shared folder, where no link is followed (core/host/host_folder.ts);
 * fids, their ways, open files and lists have bounds. What the host refuses comes back as a number, with no word of the host's.
 */
import { FolderError } from "../../../core/mod.ts";
import type { Folder, FolderPath, FolderStat } from "../../../core/mod.ts";
import { getattr, Qids, readChanges, statfs } from "./attributes.ts";
import { Directories } from "./directories.ts";
import { Fids } from "./fids.ts";
import type { FidState } from "./fids.ts";
import type { Owners } from "./owners.ts";
import * as P from "./protocol.ts";
import { Message, Open } from "./protocol.ts";
import { Reader, Writer } from "./wire.ts";

/** State, plain data. */
export interface NinepState {
  /** Bytes of a message, as negotiated; 0 before. */
  msize: number;
  readonly fids: FidState;
  /** Devices of the host in the order in which files on them were seen. */
  readonly devices: number[];
}

/** What a server is made of. */
export interface NinepParts {
  readonly folder: Folder;
  readonly state: NinepState;
  readonly owners: Owners;
}

/** `room`: bytes of the answer behind its header. */
type Handler = (request: Reader, room: number) => Writer;

const nothing = () => new Writer(0);

/** The server. */
export class NinepServer {
  readonly #fids: Fids;
  readonly #qids: Qids;
  readonly #directories: Directories;
  readonly #handlers: ReadonlyMap<number, Handler>;

  constructor(private readonly parts: NinepParts) {
    const { folder, state } = parts;
    this.#fids = new Fids(state.fids, folder);
    this.#qids = new Qids(state.devices);
    this.#directories = new Directories(folder, this.#qids);
    this.#handlers = new Map<number, Handler>([
      [Message.VERSION, (request) => this.#version(request)],
      [Message.ATTACH, (request) => this.#attach(request)],
      [Message.FLUSH, (request) => (request.u16(), nothing())],
      [Message.WALK, (request) => this.#walk(request)],
      [Message.CLUNK, (request) => this.#clunk(request.u32())],
      [Message.REMOVE, (request) => this.#removeFid(request.u32())],
      [Message.LOPEN, (request) => this.#open(request)],
      [Message.LCREATE, (request) => this.#create(request)],
      [Message.READ, (request, room) => this.#read(request, room)],
      [Message.WRITE, (request) => this.#write(request)],
      [Message.READDIR, (request, room) => this.#readdir(request, room)],
      [Message.GETATTR, (request) => this.#getattr(request.u32())],
      [Message.SETATTR, (request) => this.#setattr(request)],
      [Message.STATFS, (request) => (this.#fids.get(request.u32()), statfs(folder.space()))],
      [Message.FSYNC, (request) => this.#fsync(request.u32())],
      [Message.MKDIR, (request) => this.#mkdir(request)],
      [Message.SYMLINK, (request) => this.#symlink(request)],
      [Message.MKNOD, (request) => this.#mknod(request)],
      [Message.READLINK, (request) => new Writer().text(folder.readLink(this.#fids.get(request.u32()).path))],
      [Message.LINK, (request) => this.#link(request)],
      [Message.RENAME, (request) => this.#rename(this.#fids.get(request.u32()).path, this.#place(request))],
      [Message.RENAMEAT, (request) => this.#rename(this.#place(request), this.#place(request))],
      [Message.UNLINKAT, (request) => this.#unlink(request)],
      [Message.LOCK, (request) => (this.#fids.get(request.u32()), new Writer().u8(P.LOCK_SUCCESS))],
      [Message.GETLOCK, (request) => this.#getlock(request)],
    ]);
  }

  /** Answers a message in at most `room` bytes, which are enough for an Rlerror. `bytes`: what the driver sent, the header at least. */
  answer(bytes: Uint8Array, room: number): Uint8Array {
    const header = new DataView(bytes.buffer, bytes.byteOffset, P.HEADER);
    const [size, type, tag] = [header.getUint32(0, true), header.getUint8(4), header.getUint16(5, true)];
    try {
      if (size < P.HEADER || size > bytes.length || size > (this.parts.state.msize || P.MSIZE.least)) throw new FolderError("EMSGSIZE");
      const handler = this.#handlers.get(type);
      if (handler === undefined) throw new FolderError("EOPNOTSUPP");
      if (this.parts.state.msize === 0 && type !== Message.VERSION) throw new FolderError("EPROTO");
      const answer = handler(new Reader(bytes.subarray(P.HEADER, size)), room - P.HEADER);
      if (answer.length > room - P.HEADER) throw new FolderError("EMSGSIZE");
      return answer.finish(type + 1, tag);
    } catch (error) {
      if (!(error instanceof FolderError)) throw error;
      return new Writer(4).u32(P.errnos[error.code] ?? P.errnos.EIO).finish(Message.LERROR + 1, tag);
    }
  }

  /** Everything that the driver had is gone. */
  reset(): void {
    this.parts.state.msize = 0;
    this.#fids.clear();
    this.#directories.clear();
  }

  /** Files of the host are closed; what the driver has stays as data. */
  stop(): void {
    this.#fids.closeFiles();
  }

  #version(request: Reader): Writer {
    const msize = Math.min(request.u32(), P.MSIZE.most);
    const version = request.text();
    if (msize < P.MSIZE.least) throw new FolderError("EMSGSIZE");
    this.reset();
    if (version !== "9P2000.L") return new Writer().u32(msize).text("unknown");
    this.parts.state.msize = msize;
    return new Writer().u32(msize).text(version);
  }

  #attach(request: Reader): Writer {
    const [fid, authentication] = [request.u32(), request.u32()];
    request.text();
    request.text();
    const uid = request.u32();
    if (authentication !== P.NOBODY) throw new FolderError("EOPNOTSUPP");
    const stat = this.parts.folder.stat([]);
    this.#fids.add(fid, { path: [], uid });
    return new Writer().qid(this.#qids.of(stat));
  }

  #walk(request: Reader): Writer {
    const [fid, newFid, count] = [request.u32(), request.u32(), request.u16()];
    const { path, uid, opened } = this.#fids.get(fid);
    if (opened !== undefined && fid === newFid || count > P.MAX_WALK) throw new FolderError("EINVAL");
    const names = Array.from({ length: count }, () => request.text());
    const answer = new Writer(2 + 13 * count);
    const found: FolderStat[] = [];
    let at = path;
    for (const name of names) {
      try {
        // Upwards is back on the way down: it has no link in it.
        const next = name === ".." ? at.slice(0, -1) : [...at, name];
        found.push(this.parts.folder.stat(next));
        at = next;
      } catch (error) {
        if (found.length === 0) throw error;
        break;
      }
    }
    if (found.length === count) {
      if (fid === newFid) this.#fids.move(fid, at);
      else this.#fids.add(newFid, { path: at, uid });
    }
    answer.u16(found.length);
    for (const stat of found) answer.qid(this.#qids.of(stat));
    return answer;
  }

  #clunk(fid: number): Writer {
    this.#fids.drop(fid);
    this.#directories.forget(fid);
    return nothing();
  }

  #removeFid(fid: number): Writer {
    const { path } = this.#fids.get(fid);
    // The fid goes in any case.
    this.#clunk(fid);
    const directory = this.parts.folder.stat(path).kind === "directory";
    this.parts.folder.remove(path, directory ? "directory" : "other");
    return nothing();
  }

  #open(request: Reader): Writer {
    const [fid, flags] = [request.u32(), request.u32()];
    const found = this.#fids.get(fid);
    if (found.opened !== undefined) throw new FolderError("EINVAL");
    const { folder } = this.parts;
    const how = access(flags);
    const stat = folder.stat(found.path);
    if (stat.kind === "directory") {
      if (how.write) throw new FolderError("EISDIR");
      found.opened = { read: true, write: false, directory: true };
    } else {
      if ((flags & Open.DIRECTORY) !== 0) throw new FolderError("ENOTDIR");
      this.#fids.checkRoom();
      this.#fids.hold(fid, folder.open(found.path, { ...how, truncate: (flags & Open.TRUNC) !== 0 }));
      found.opened = { ...how, directory: false };
    }
    return new Writer().qid(this.#qids.of(stat)).u32(0);
  }

  #create(request: Reader): Writer {
    const fid = request.u32();
    const [name, flags, mode, gid] = [request.name(), request.u32(), request.u32(), request.u32()];
    const found = this.#fids.get(fid);
    if (found.opened !== undefined) throw new FolderError("EINVAL");
    const path = [...found.path, name];
    const how = access(flags);
    this.#fids.checkRoom();
    const create = { mode, exclusive: (flags & Open.EXCL) !== 0 };
    const file = this.parts.folder.open(path, { ...how, truncate: (flags & Open.TRUNC) !== 0, create });
    try {
      const made = this.parts.owners.made(found.uid, gid);
      if (made.uid !== undefined || made.gid !== undefined) file.change(made);
      const answer = new Writer().qid(this.#qids.of(file.stat())).u32(0);
      this.#fids.move(fid, path);
      this.#fids.hold(fid, file);
      found.opened = { ...how, directory: false };
      return answer;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #read(request: Reader, room: number): Writer {
    const [fid, offset, count] = [request.u32(), request.size(), request.u32()];
    if (this.#fids.get(fid).opened?.read !== true) throw new FolderError("EBADF");
    const file = this.#fids.file(fid);
    if (file === undefined) throw new FolderError("EISDIR");
    const most = this.#most(count, room);
    return new Writer(4 + most).data(most, (into) => file.read(offset, into));
  }

  #write(request: Reader): Writer {
    const [fid, offset, count] = [request.u32(), request.size(), request.u32()];
    const bytes = request.data(count);
    if (this.#fids.get(fid).opened?.write !== true) throw new FolderError("EBADF");
    this.#fids.file(fid)!.write(offset, bytes);
    return new Writer(4).u32(count);
  }

  #readdir(request: Reader, room: number): Writer {
    const [fid, offset, count] = [request.u32(), request.size(), request.u32()];
    const { path, opened } = this.#fids.get(fid);
    if (opened?.directory !== true) throw new FolderError(opened === undefined ? "EBADF" : "ENOTDIR");
    const entries = this.#directories.read(fid, path, offset, this.#most(count, room));
    return new Writer(4 + entries.length).data(entries.length, (into) => (into.set(entries), entries.length));
  }

  #getattr(fid: number): Writer {
    const stat = this.#stat(fid);
    return getattr(stat, this.#qids.of(stat), this.parts.owners);
  }

  #setattr(request: Reader): Writer {
    const fid = request.u32();
    const { changes, uid, gid } = readChanges(request);
    const { folder, owners } = this.parts;
    if (!folder.writable) throw new FolderError("EROFS");
    const all = { ...changes, ...owners.wanted(uid, gid, this.#stat(fid)) };
    if (Object.values(all).every((value) => value === undefined)) return nothing();
    const file = this.#fids.get(fid).opened?.write === true ? this.#fids.file(fid) : undefined;
    if (file !== undefined) file.change(all);
    else folder.change(this.#fids.get(fid).path, all);
    return nothing();
  }

  #fsync(fid: number): Writer {
    this.#fids.file(fid)?.sync();
    return nothing();
  }

  #mkdir(request: Reader): Writer {
    const fid = request.u32();
    const [name, mode, gid] = [request.name(), request.u32(), request.u32()];
    return this.#made(fid, name, gid, (path) => this.parts.folder.makeDirectory(path, mode));
  }

  #symlink(request: Reader): Writer {
    const fid = request.u32();
    const [name, target, gid] = [request.name(), request.text(), request.u32()];
    if (target.length > P.PATH_MAX) throw new FolderError("ENAMETOOLONG");
    return this.#made(fid, name, gid, (path) => this.parts.folder.makeLink(path, target));
  }

  /** Plain files only: a pipe or a device of a guest's making has no business on the host. */
  #mknod(request: Reader): Writer {
    const fid = request.u32();
    const [name, mode] = [request.name(), request.u32()];
    request.u64();
    const gid = request.u32();
    const type = mode & P.Type.MASK;
    if (!this.parts.folder.writable) throw new FolderError("EROFS");
    if (type !== 0 && type !== P.Type.REGULAR) throw new FolderError("EPERM");
    const how = { read: false, write: true, create: { mode, exclusive: true } };
    return this.#made(fid, name, gid, (path) => this.parts.folder.open(path, how).close());
  }

  #made(fid: number, name: string, gid: number, make: (path: FolderPath) => void): Writer {
    const { folder, owners } = this.parts;
    const { path: directory, uid } = this.#fids.get(fid);
    const path = [...directory, name];
    make(path);
    const made = owners.made(uid, gid);
    if (made.uid !== undefined || made.gid !== undefined) folder.change(path, made);
    return new Writer().qid(this.#qids.of(folder.stat(path)));
  }

  #link(request: Reader): Writer {
    const [directory, fid] = [request.u32(), request.u32()];
    const path = [...this.#fids.get(directory).path, request.name()];
    this.parts.folder.addName(path, this.#fids.get(fid).path);
    return nothing();
  }

  #rename(from: FolderPath, to: FolderPath): Writer {
    this.parts.folder.rename(from, to);
    this.#fids.renamed(from, to);
    return nothing();
  }

  #unlink(request: Reader): Writer {
    const path = this.#place(request);
    this.parts.folder.remove(path, (request.u32() & P.AT_REMOVEDIR) !== 0 ? "directory" : "other");
    return nothing();
  }

  /** The guest's kernel knows of all locks in the guest; nobody else's are asked for. */
  #getlock(request: Reader): Writer {
    this.#fids.get(request.u32());
    request.u8();
    const [start, length, process, client] = [request.u64(), request.u64(), request.u32(), request.text()];
    return new Writer().u8(P.LOCK_UNLOCKED).u64(start).u64(length).u32(process).text(client);
  }

  /** A directory's fid and a name in it. */
  #place(request: Reader): FolderPath {
    return [...this.#fids.get(request.u32()).path, request.name()];
  }

  /** An open file tells of itself when its name is gone. */
  #stat(fid: number): FolderStat {
    const { path } = this.#fids.get(fid);
    return this.#fids.file(fid)?.stat() ?? this.parts.folder.stat(path);
  }

  /** Bytes of data that fit an answer with a count before them. */
  #most(count: number, room: number): number {
    return Math.max(0, Math.min(count, room - 4, this.parts.state.msize - P.READ_HEADER));
  }
}

/** What an open's flags ask for. */
function access(flags: number): { readonly read: boolean; readonly write: boolean } {
  const mode = flags & Open.ACCESS;
  if (mode === Open.ACCESS) throw new FolderError("EINVAL");
  return { read: mode !== Open.WRONLY, write: mode !== 0 };
}
