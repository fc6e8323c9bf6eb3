/** A qcow2 image on a medium that loses power: of what wasn't flushed any part may be there. What was flushed is, and the image is whole. */
import { assert, assertEquals } from "@std/assert";
import type { Disk } from "../../../core/mod.ts";
import { Random } from "../../../tests/support/random.ts";
import { missing, qemuImg } from "../../../tests/support/toolchain.ts";
import { Qcow2Disk } from "./qcow2.ts";
import { emptyImage } from "./tests/qcow2_image.ts";

const SECTOR = 512;
const LOSSES = Number(Deno.env.get("PLUGBOARD_LOSSES") ?? 40);

/** Keeps apart what was flushed and what came since. */
class Medium implements Disk {
  readonly writable = true;
  #durable: Uint8Array<ArrayBuffer>;
  #now: Uint8Array<ArrayBuffer>;
  #pending: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  flushes = 0;

  constructor(image: Uint8Array<ArrayBuffer>) {
    this.#durable = image;
    this.#now = image.slice();
  }

  get sizeBytes(): number {
    return this.#now.length;
  }

  read(offset: number, into: Uint8Array): void {
    into.fill(0);
    into.set(this.#now.subarray(offset, offset + into.length));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#now = placed(this.#now, offset, bytes);
    this.#pending.push({ at: offset, bytes: bytes.slice() });
  }

  flush(): void {
    this.flushes++;
    this.#durable = this.#now.slice();
    this.#pending = [];
  }

  close(): void {}

  /** What is left: sectors of what wasn't flushed, each with a probability. */
  powerLoss(random: Random): Uint8Array<ArrayBuffer> {
    const probability = [0, 0.1, 0.5, 0.9, 1][random.below(5)];
    let left = this.#durable.slice();
    for (const { at, bytes } of this.#pending) {
      for (let done = 0; done < bytes.length;) {
        const size = Math.min(bytes.length - done, SECTOR - (at + done) % SECTOR);
        if (random.chance(probability)) left = placed(left, at + done, bytes.subarray(done, done + size));
        done += size;
      }
    }
    return left;
  }
}

function placed(image: Uint8Array<ArrayBuffer>, at: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let result = image;
  if (at + bytes.length > image.length) {
    result = new Uint8Array(at + bytes.length);
    result.set(image);
  }
  result.set(bytes, at);
  return result;
}

/** What each sector may hold: a number that fills it, any of those since the last flush; undefined is anything. */
type Candidates = (Set<number> | undefined)[];

function use(disk: Disk, may: Candidates, random: Random): void {
  for (let steps = 1 + random.below(60); steps > 0; steps--) {
    const sector = random.below(may.length);
    const count = Math.min(may.length - sector, random.chance(0.8) ? 1 + random.below(8) : 1 + random.below(80));
    const each = (visit: (n: number) => void) => {
      for (let n = sector; n < sector + count; n++) visit(n);
    };
    const action = random.below(10);
    if (action < 5) {
      const value = 1 + random.below(255);
      disk.write(sector * SECTOR, new Uint8Array(count * SECTOR).fill(value));
      each((n) => may[n]?.add(value));
      each((n) => latest[n] = value);
    } else if (action < 7) {
      disk.zero!(sector * SECTOR, count * SECTOR, random.chance(0.5));
      each((n) => may[n]?.add(0));
      each((n) => latest[n] = 0);
    } else if (action < 8) {
      disk.discard!(sector * SECTOR, count * SECTOR);
      each((n) => may[n] = undefined);
      each((n) => latest[n] = undefined);
    } else if (action < 9) {
      disk.flush();
      for (const n of may.keys()) may[n] = latest[n] === undefined ? undefined : new Set([latest[n]!]);
    } else {
      const bytes = new Uint8Array(count * SECTOR);
      disk.read(sector * SECTOR, bytes);
      each((n) => {
        const from = (n - sector) * SECTOR;
        if (latest[n] !== undefined) assert(bytes.subarray(from, from + SECTOR).every((byte) => byte === latest[n]), `sector ${n}`);
      });
    }
  }
}

/** What was written last. */
let latest: (number | undefined)[] = [];

for (const clusterBits of [9, 12, 16]) {
  Deno.test(`qcow2, clusters of 2^${clusterBits}: what was flushed survives a loss of power, and the image is whole after it`, async () => {
    const random = new Random(`power ${clusterBits}`);
    const sectors = clusterBits === 16 ? 1500 : 700;
    let image = emptyImage(sectors * SECTOR, clusterBits);
    const may: Candidates = Array.from({ length: sectors }, () => new Set([0]));
    latest = new Array(sectors).fill(0);
    for (let loss = 0; loss < LOSSES; loss++) {
      const medium = new Medium(image);
      const disk = new Qcow2Disk(medium);
      use(disk, may, random);
      if (random.chance(0.1)) {
        disk.close();
        for (const n of may.keys()) may[n] = latest[n] === undefined ? undefined : new Set([latest[n]!]);
      }
      image = medium.powerLoss(random);

      // Read only, a torn image can be read: no repair, no error, the same contents.
      const fixed = new Qcow2Disk({
        sizeBytes: image.length,
        writable: false,
        read: (offset, into) => new Medium(image).read(offset, into),
        write: () => assert(false),
        flush() {},
        close() {},
      });
      const [torn, repaired] = [new Uint8Array(sectors * SECTOR), new Uint8Array(sectors * SECTOR)];
      fixed.read(0, torn);
      const again = new Medium(image);
      const opened = new Qcow2Disk(again);
      opened.read(0, repaired);
      assert(torn.every((byte, at) => byte === repaired[at]), `repaired, it reads otherwise after loss ${loss}`);
      opened.close();
      image = again.powerLoss(random);
      for (const n of may.keys()) {
        const found = repaired[n * SECTOR];
        const sector = repaired.subarray(n * SECTOR, (n + 1) * SECTOR);
        assert(sector.every((byte) => byte === found), `sector ${n} is torn after loss ${loss}`);
        assert(may[n]?.has(found) ?? true, `sector ${n} holds ${found} after loss ${loss}, may hold ${[...may[n] ?? []]}`);
        latest[n] = found;
        may[n] = new Set([found]);
      }
      if (loss % 15 === 0) await isWhole(image);
    }
  });
}

const noQemuImg = missing(qemuImg);

async function isWhole(image: Uint8Array): Promise<void> {
  if (noQemuImg) return;
  const path = await Deno.makeTempFile({ suffix: ".qcow2" });
  try {
    await Deno.writeFile(path, image);
    const { code, stdout, stderr } = await new Deno.Command(qemuImg.command, { args: ["check", "-f", "qcow2", path] }).output();
    assertEquals(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(path);
  }
}
