/** Whose files are, on both sides of a share. */
import { FolderError } from "../../../core/mod.ts";
import type { FolderStat } from "../../../core/mod.ts";
import { NOBODY } from "./protocol.ts";

/** Who owns what a mapped share doesn't know: Linux's "nobody". */
const OTHERS = 65534;

/** A user and a group. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** How numbers of the guest and of the host go together. */
export interface Owners {
  /** As the guest sees it. */
  shown(stat: FolderStat): Owner;
  /** What the host is asked for when the guest wants an owner. Empty: nothing to do. EPERM: it can't be had. */
  wanted(uid: number | undefined, gid: number | undefined, now: FolderStat): Partial<Owner>;
  /** For something that this user of the guest has made. */
  made(uid: number, gid: number): Partial<Owner>;
}

/** The numbers are the same on both sides. What the guest's users make is theirs, where the host's user may give files away. */
export function sameOwners(privileged: boolean): Owners {
  const given = (id: number) => id === NOBODY ? undefined : id;
  return {
    shown: ({ uid, gid }) => ({ uid, gid }),
    wanted: (uid, gid) => ({ uid, gid }),
    made: (uid, gid) => privileged ? { uid: given(uid), gid: given(gid) } : {},
  };
}

/** What belongs to the host's user belongs to one of the guest's, and everything else to nobody. Nothing is ever given away on the host. */
export function mappedOwners(host: Owner, guest: Owner): Owners {
  const shown = (stat: FolderStat) => ({
    uid: stat.uid === host.uid ? guest.uid : OTHERS,
    gid: stat.gid === host.gid ? guest.gid : OTHERS,
  });
  return {
    shown,
    wanted(uid, gid, now) {
      const is = shown(now);
      if ((uid ?? is.uid) !== is.uid || (gid ?? is.gid) !== is.gid) throw new FolderError("EPERM");
      return {};
    },
    made: () => ({}),
  };
}
