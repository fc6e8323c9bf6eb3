/** What the guest hears of a file, and what it changes of one. */
import type { FolderChanges, FolderSpace, FolderStat } from "../../../core/mod.ts";
import type { Owners } from "./owners.ts";
import { FILE_SYSTEM_MAGIC, GETATTR_BASIC, NAME_MAX, Set } from "./protocol.ts";
import { qidType, Writer } from "./wire.ts";
import type { QidValue, Reader } from "./wire.ts";

/** Devices of the host that a folder may lie on, mounts included. */
const MOST_DEVICES = 256;
/** Inode numbers that stay apart when the device's index is put above them. */
const INODES = 2 ** 45;

/** Numbers for files: the same file has the same one, also where a share has several file systems of the host in it. */
export class Qids {
  /** Devices of the host in the order in which they were seen. */
  constructor(private readonly devices: number[]) {}

  of(stat: FolderStat): QidValue {
    let index = this.devices.indexOf(stat.device);
    if (index < 0) index = this.devices.length < MOST_DEVICES ? this.devices.push(stat.device) - 1 : MOST_DEVICES - 1;
    const version = (stat.modifiedMs ^ stat.sizeBytes << 8) >>> 0;
    return { type: qidType(stat), version, path: stat.inode % INODES + index * INODES };
  }
}

function time(answer: Writer, milliseconds: number): void {
  const seconds = Math.floor(milliseconds / 1000);
  answer.u64(seconds).u64(Math.round((milliseconds - 1000 * seconds) * 1e6));
}

/** The answer to a getattr: all that there is, whatever was asked for. */
export function getattr(stat: FolderStat, qid: QidValue, owners: Owners): Writer {
  const { uid, gid } = owners.shown(stat);
  const answer = new Writer().u64(GETATTR_BASIC).qid(qid).u32(stat.mode).u32(uid).u32(gid).u64(stat.links).u64(0);
  answer.u64(stat.sizeBytes).u64(4096).u64(stat.blocks);
  for (const at of [stat.accessedMs, stat.modifiedMs, stat.changedMs, 0]) time(answer, at);
  return answer.u64(0).u64(0);
}

/** A setattr's changes, but for owners. */
export function readChanges(request: Reader): { readonly changes: FolderChanges; readonly uid?: number; readonly gid?: number } {
  const valid = request.u32();
  const [mode, uid, gid] = [request.u32(), request.u32(), request.u32()];
  const has = (bit: number) => (valid & bit) !== 0;
  const sizeBytes = has(Set.SIZE) ? request.size() : void request.u64();
  const stamp = (bit: number, set: number): number | "now" | undefined => {
    const [seconds, nanoseconds] = [Number(BigInt.asIntN(64, request.u64())), Number(request.u64())];
    return !has(bit) ? undefined : has(set) ? seconds * 1000 + nanoseconds / 1e6 : "now";
  };
  const [accessedMs, modifiedMs] = [stamp(Set.ATIME, Set.ATIME_SET), stamp(Set.MTIME, Set.MTIME_SET)];
  return {
    changes: { mode: has(Set.MODE) ? mode : undefined, sizeBytes, accessedMs, modifiedMs },
    uid: has(Set.UID) ? uid : undefined,
    gid: has(Set.GID) ? gid : undefined,
  };
}

/** The answer to a statfs. */
export function statfs({ blockBytes, blocks, free, available, files, freeFiles }: FolderSpace): Writer {
  const answer = new Writer().u32(FILE_SYSTEM_MAGIC).u32(blockBytes);
  for (const value of [blocks, free, available, files, freeFiles, 0]) answer.u64(value);
  return answer.u32(NAME_MAX);
}
