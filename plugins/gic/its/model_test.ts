/** Random commands, messages and configuration against a reference that has maps instead of tables: which LPI is pending where. */
import { assertEquals } from "@std/assert";
import { FIRST_LPI, gicr, ItsDriver, ITTS, Op } from "../../../tests/support/its_driver.ts";
import type { Command } from "../../../tests/support/its_driver.ts";
import { Random } from "../../../tests/support/random.ts";

const VCPUS = 3;
/** Devices and bits of their EventIDs; the last has events that MAPI can map. */
const DEVICES: readonly (readonly [id: number, bits: number])[] = [[0, 1], [2, 3], [700, 4], [8191, 2], [5, 14]];
const COLLECTIONS = [0, 1, 2, 17, 8191];
/** Few, so that they meet. */
const INTIDS = [8192, 8193, 8199, 8223, 8224, 9000, 16383, 40_000, 65_535];

interface Device {
  mapped: boolean;
  readonly bits: number;
  /** What its translation table holds, mapped or not. */
  readonly events: Map<number, { intid: number; collection: number }>;
}

/** What should be. */
class Model {
  readonly devices = new Map(DEVICES.map(([id, bits]): [number, Device] => [id, { mapped: false, bits, events: new Map() }]));
  readonly collections = new Map<number, number>();
  /** In the table, and as the redistributors have read it. */
  readonly written = new Map<number, number>();
  readonly config = new Map<number, number>();
  readonly enabled = new Array<boolean>(VCPUS).fill(true);
  readonly pending = Array.from({ length: VCPUS }, () => new Set<number>());
  /** In the pending tables of redistributors that are off. */
  readonly stored = Array.from({ length: VCPUS }, () => new Set<number>());

  event({ device, event }: Command) {
    const found = this.devices.get(device!);
    const route = found?.mapped && event! < 2 ** found.bits ? found.events.get(event!) : undefined;
    return route && { ...route, route, device: found!, target: this.collections.get(route.collection) };
  }

  read(v: number | undefined, intid: number): void {
    if (v !== undefined && this.enabled[v]) this.config.set(intid, this.written.get(intid) ?? 0);
  }

  pend(v: number, intid: number): void {
    if (this.enabled[v]) this.pending[v].add(intid);
  }

  /** The first four that can be delivered to a vCPU. */
  deliverable(v: number): number[] {
    const priority = (intid: number) => this.config.get(intid)! & 0xf8;
    const ready = [...this.pending[v]].filter((intid) => ((this.config.get(intid) ?? 0) & 1) !== 0);
    return ready.sort((a, b) => priority(a) - priority(b) || a - b).slice(0, 4);
  }

  execute(command: Command): void {
    const { opcode, device, event, collection, target, second, valid } = command;
    const found = this.event(command);
    const to = this.collections.get(collection ?? -1);
    switch (opcode) {
      case Op.MAPD: {
        const known = this.devices.get(device!);
        if (known) known.mapped = valid!;
        return;
      }
      case Op.MAPC:
        if (!valid) this.collections.delete(collection!);
        else if (target! < VCPUS) this.collections.set(collection!, target!);
        return;
      case Op.MAPTI:
      case Op.MAPI: {
        const known = this.devices.get(device!);
        const intid = opcode === Op.MAPI ? event! : command.intid!;
        if (!known?.mapped || event! >= 2 ** known.bits || intid < FIRST_LPI || intid > 65_535) return;
        known.events.set(event!, { intid, collection: collection! });
        return this.read(to, intid);
      }
      case Op.DISCARD:
        if (found?.target !== undefined) this.pending[found.target].delete(found.intid);
        return void found?.device.events.delete(event!);
      case Op.INVALL:
        if (to !== undefined && this.enabled[to]) { for (const [intid, value] of this.written) this.config.set(intid, value); }
        return;
      case Op.MOVALL:
        if (target! >= VCPUS || second! >= VCPUS || target === second || !this.enabled[second!]) return;
        for (const intid of this.pending[target!]) this.pending[second!].add(intid);
        return this.pending[target!].clear();
    }
    // What is left needs an event that is mapped all the way.
    if (found?.target === undefined) return;
    const { target: from, intid } = found;
    switch (opcode) {
      case Op.MOVI:
        if (to === undefined) return;
        found.route.collection = collection!;
        if (from !== to && this.enabled[to] && this.pending[from].delete(intid)) this.pend(to, intid);
        return this.read(to, intid);
      case Op.INT:
        return this.pend(from, intid);
      case Op.CLEAR:
        return void this.pending[from].delete(intid);
      case Op.INV:
        return this.read(from, intid);
    }
  }

  enable(v: number, enable: boolean): void {
    if (this.enabled[v] === enable) return;
    this.enabled[v] = enable;
    const [from, to] = enable ? [this.stored[v], this.pending[v]] : [this.pending[v], this.stored[v]];
    to.clear();
    for (const intid of from) to.add(intid);
    from.clear();
    if (enable) { for (const [intid, value] of this.written) this.config.set(intid, value); }
  }
}

const opcodes = Object.values(Op);

function randomCommand(random: Random): Command {
  const pick = <T>(from: readonly T[]) => from[random.below(from.length)];
  // Mapping and interrupts more often than what takes them away.
  const opcode = random.chance(0.4) ? pick([Op.INT, Op.MAPTI, Op.MAPD, Op.MAPC, Op.MOVI]) : pick(opcodes);
  const [id, bits] = pick(DEVICES);
  return {
    opcode,
    device: random.chance(0.98) ? id : 9999,
    event: opcode === Op.MAPI && random.chance(0.9) ? pick(INTIDS) : random.below(random.chance(0.95) ? Math.min(2 ** bits, 16) : 40_000),
    intid: random.chance(0.95) ? pick(INTIDS) : random.below(70_000),
    collection: pick(COLLECTIONS),
    target: random.below(random.chance(0.97) ? VCPUS : 9),
    second: random.below(random.chance(0.97) ? VCPUS : 9),
    valid: random.chance(0.9),
    table: ITTS + DEVICES.findIndex(([other]) => other === id) * 0x4_0000 / 8,
    bits,
  };
}

async function run(seed: string, steps: number): Promise<void> {
  const random = new Random(seed);
  const driver = await ItsDriver.start(VCPUS);
  const model = new Model();
  for (let step = 0; step < steps; step++) {
    let what = "";
    switch (random.below(10)) {
      case 0: {
        const intid = INTIDS[random.below(INTIDS.length)];
        const value = random.below(32) << 3 | (random.chance(0.7) ? 1 : 0);
        what = `configure ${intid} ${value}`;
        driver.configure(intid, value);
        model.written.set(intid, value);
        break;
      }
      case 1: {
        const { device, event } = randomCommand(random);
        what = `message ${device} ${event}`;
        driver.message(device!, event!);
        model.execute({ opcode: Op.INT, device, event });
        break;
      }
      case 2: {
        if (random.chance(0.8)) break;
        const v = random.below(VCPUS);
        what = `enable or disable ${v}`;
        model.enable(v, !model.enabled[v]);
        driver.kit.write32(gicr(v), model.enabled[v] ? 1 : 0);
        driver.kit.advance(1_000_000);
        break;
      }
      default: {
        const commands = Array.from({ length: 1 + random.below(3) }, () => randomCommand(random));
        what = JSON.stringify(commands);
        driver.send(...commands);
        commands.forEach((command) => model.execute(command));
      }
    }
    for (let v = 0; v < VCPUS; v++) assertEquals(driver.listed(v), model.deliverable(v), `seed ${seed}, step ${step}, vCPU ${v}: ${what}`);
  }
}

for (let seed = 1; seed <= 4; seed++) {
  Deno.test(`its: 5,000 random commands, messages and changes agree with the reference: seed ${seed}`, () => run(`its ${seed}`, 5000));
}
