/**
 * One guest's bytes never reach another, and the classes of mistakes that hypervisors on Arm have had: each that applies here has a test, and
 * this is where. The numbers are those of our list; in brackets an advisory as an example.
 *
 *  1 registers emulated out of a table's bounds (XSA-94)    plugins/gic/gicv3/register_map_test.ts, gicv2/registers_test.ts, tests/fuzz/
 *  2 an impossible value of a guest's (XSA-117)             tests/guests/random_code_test.ts, tests/fuzz/devices_test.ts
 *  3 a sentinel used as an index (XSA-223)                  plugins/gic/vgic/random_test.ts
 *  4 logging without bounds (XSA-118)                       here; plugins/xen_abi/hostile_test.ts
 *  5 a register that isn't switched (XSA-91)                here
 *  6 a feature that is shown by default (XSA-93)            here; plugins/cpu_a64/sysregs/access_test.ts
 *  7 the wrong exception (XSA-102)                          plugins/cpu_a64/engine/exceptions_test.ts, core/machine/dispatch_test.ts
 *  8 permissions ignored in copies (XSA-98)                 plugins/xen_abi/hostile_test.ts
 *  9 memory that nobody set (XSA-506)                       here; plugins/ioreq/dm_op_test.ts
 * 10 double fetches (XSA-155)                               plugins/ioreq/hostile_test.ts, plugins/grant_tables/grant_tables_test.ts
 * 11 a mapping that survives (XSA-393)                      plugins/vmsa/random_test.ts, plugins/vmsa/stage2_test.ts
 * 12 references taken too late (XSA-473)                    plugins/xen_abi/hostile_test.ts: one thread, so no race
 * 13 a mapping made while its domain goes (XSA-410)         here
 * 14 tables without a limit (XSA-409)                       plugins/vmsa/stage2_test.ts, plugins/xen_abi/hostile_test.ts
 * 15 a stale TLB (XSA-346)                                  here; plugins/cpu_a64/engine/break_before_make/
 * 16 error paths (XSA-181), 17 races at the end (XSA-147)   tests/life_cycle_test.ts
 * 18 counts of grants (XSA-224)                             plugins/grant_tables/grant_tables_test.ts, plugins/xen_abi/hostile_test.ts
 * 19 versions of grant tables                               there is one version
 * 20 bounds of event channels (XSA-107)                     plugins/event_channels/event_channels_test.ts, plugins/xen_abi/hostile_test.ts
 * 21 loops that a guest feeds (XSA-295)                     here; plugins/gic/its/hostile_test.ts, plugins/xen_abi/hostile_test.ts
 * 22 arguments of device models (XSA-238)                   plugins/ioreq/dm_op_test.ts, plugins/ioreq/servers_test.ts
 * 23 memory that isn't scrubbed (XSA-372)                   here
 * 24 cache maintenance at the top of addresses (XSA-437)    here
 * 25 interrupts unmasked at a trap (XSA-303)                here
 * 26 a guest's abort as the hypervisor's own (XSA-201)      here; tests/guests/misbehaviour_test.ts
 * 27 continuations (XSA-145)                                plugins/xen_abi/hostile_test.ts
 * 28 more memory than there is (XSA-385)                    tests/life_cycle_test.ts, plugins/virtio/balloon_test.ts
 * 29 locks, 30 errata, 32 speculation                       there is no lock, and no such CPU
 * 31 the wrong interrupt deactivated                        plugins/gic/vgic/delivery_test.ts
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Domain } from "../mod.ts";
import { bootCrowded } from "./support/crowded_board.ts";
import { FAULT, Probe, PROBE_FREE, PROBE_LOAD } from "./support/probe_guest.ts";
import { constant, ENCODINGS, load, look, mrs, msr, packed, PSCI_VERSION, store, taint, traceOf, WINDOWS } from "./support/sweeps.ts";

/** The bytes of the one, and of the other. */
const SECRETS = [0xa5, 0x5c];
const UART = 0x0900_0000, CLOCK = 0x0901_0000;

Deno.test("class 9 and 23, taint: what a domain leaves in memory, registers and devices never reaches the next one, nor one beside it", async () => {
  const ports = new Map<string, Uint8Array[]>();
  using machine = await bootCrowded({}, { onSerial: (port, bytes) => void ports.set(port, [...ports.get(port) ?? [], bytes]) });
  const spec = machine.board.domains[0];
  // What is free is nobody's: all of it goes to the domains that come.
  for (const [life, secret] of SECRETS.entries()) {
    const one = machine.domains.find(({ name }) => name === "one")!;
    taint(machine, one, secret);
    const two = machine.domains.find(({ name }) => name === "two")!;
    if (life === 0) look(machine, two, secret, "beside it");
    machine.destroyDomain(one);
    ports.clear();
    const next = await machine.createDomain(spec);
    look(machine, next, secret, `life ${life}`);
    for (const [port, chunks] of ports) {
      for (const bytes of chunks) assertEquals(traceOf(secret, bytes, 1), -1, `output of ${port}`);
    }
    if (life === 0) continue;
    // A new life of the same domain keeps what a battery does: the clock at 0x0901_0000.
    taint(machine, next, secret ^ 0xff);
    await machine.reboot("one");
    look(
      machine,
      machine.domains.find(({ name }) => name === "one")!,
      secret ^ 0xff,
      "after a reboot",
      WINDOWS.filter(([at]) => at !== CLOCK),
    );
  }
});

Deno.test("class 9, padding: a disk's answer, its status and the ring's entry are as long as they are, and all around them stays", async () => {
  using machine = await bootCrowded({ domains: ["one"] });
  const [one] = machine.domains;
  const DISK = 0x0a00_0000;
  const [descriptors, available, used, header, data, status] = [0, 1, 2, 3, 4, 5].map((page) => PROBE_FREE + 0x10_0000 + 0x1000 * page);
  const bytes = new Uint8Array(6 * 0x1000).fill(0xee);
  const view = new DataView(bytes.buffer);
  const place = (at: number) => at - descriptors;
  const describe = (index: number, at: number, length: number, flags: number) => {
    view.setBigUint64(16 * index, BigInt(at), true);
    view.setUint32(16 * index + 8, length, true);
    view.setUint16(16 * index + 12, flags, true);
    view.setUint16(16 * index + 14, index + 1, true);
  };
  // A driver's request for the disk's name (VIRTIO_BLK_T_GET_ID): 64 bytes of room for 20, and 8 for the status byte.
  describe(0, header, 16, 1);
  describe(1, data, 64, 3);
  describe(2, status, 8, 2);
  view.setUint32(place(available), 1 << 16, true);
  view.setUint16(place(available) + 4, 0, true);
  view.setUint32(place(used), 0, true);
  bytes.set([8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], place(header));
  one.writeMemory(descriptors, bytes);
  const probe = new Probe();
  const set = (offset: number, value: number) => probe.store(4, DISK + offset, value);
  for (const value of [0, 1, 3]) set(0x70, value);
  for (const [offset, value] of [[0x24, 0], [0x20, 0], [0x24, 1], [0x20, 1], [0x70, 0xb], [0x30, 0], [0x38, 8]]) set(offset, value);
  for (const [offset, at] of [[0x80, descriptors], [0x90, available], [0xa0, used]]) {
    set(offset, at);
    set(offset + 4, 0);
  }
  for (const [offset, value] of [[0x44, 1], [0x70, 0xf], [0x50, 0]]) set(offset, value);
  const state = probe.load(4, DISK + 0x70);
  probe.restart(one);
  probe.finish(machine, one);
  assertEquals(probe.result(one, state), 0xfn, "the device is well");
  const after = one.readMemory(descriptors, bytes.length);
  assertEquals(after[place(used) + 2], 1, "it answered");
  const changed = [...after.keys()].filter((n) => after[n] !== bytes[n]);
  const inside = (at: number, size: number) => (n: number) => n >= place(at) && n < place(at) + size;
  // The index and one entry of the ring; the name; one byte of status, wherever in its buffer the request's last byte is.
  const places = [inside(used + 2, 2), inside(used + 4, 8), inside(data, 20), inside(status, 8), inside(data + 20, 44)];
  assertEquals(changed.filter((n) => !places.some((place) => place(n))), []);
  const name = new TextDecoder().decode(after.subarray(place(data), place(data) + 20));
  assertEquals(name, "plugboard".padEnd(20, "\0"));
  for (const n of changed.filter(places[4])) assertEquals(after[n], 0, "what is beyond the name is zero or untouched");
  assertEquals(changed.filter(places[3]).length, 1, "one byte of status");
});

Deno.test("class 4, logging: a hundred thousand bad accesses and calls are a few lines", async () => {
  const lines: string[] = [];
  let output = 0;
  using machine = await bootCrowded({ domains: ["one"] }, {
    onTrace: (kind, detail) => void lines.push(`${kind}: ${detail}`),
    onSerial: (_, bytes) => void (output += bytes.length),
  });
  const [one] = machine.domains;
  const before = lines.length;
  const probe = new Probe();
  probe.run(load(0x2000_0000, 4 * 60_000, PROBE_FREE));
  probe.run(store(0x0800_0000, 0x1_0000));
  probe.run(store(0x0a00_0000, 0x200));
  // mov x1, #count; movz x0, an unknown call; hvc #0; msr of a register that is nobody's; subs x1, x1, #1; b.ne.
  probe.run([...constant(1, 20_000), ...constant(0, 0xbf00_1234), 0xd400_0002, msr(packed(3, 3, 15, 3, 3)), 0xf100_0421, 0x54ff_ff61]);
  probe.restart(one);
  probe.finish(machine, one, 10e9);
  assert([...machine.stats.traced.values()].reduce((sum, count) => sum + count, 0) > 60_000, "they were counted");
  assert(lines.length - before < 400, `${lines.length - before} lines`);
  assert(lines.every((line) => line.length < 1000));
  assertEquals(output, 0);
});

Deno.test("class 5, switching: two guests on one CPU write every register that they may, and each finds its own", async () => {
  using machine = await bootCrowded({}, { set: { pcpus: "1" } });
  const collect = (probe: Probe, to: number) =>
    probe.run([...constant(1, to), ...SAFE.map((n) => [0xd280_0000, mrs(n), 0xf800_8420]).flat()]);
  const [one, two] = machine.domains;
  const given = [0x1111_1111_1111_1110n, 0x2222_2222_2222_2220n];
  const probes = [one, two].map((domain, n) => {
    const probe = new Probe();
    probe.run(SAFE.map((register) => msr(register)), given[n]);
    collect(probe, PROBE_FREE);
    // The other one runs meanwhile: slices are 1 ms.
    for (let round = 0; round < 6; round++) probe.fill(PROBE_FREE + 0x10_0000, PROBE_FREE + 0x1f_0000, 1n);
    collect(probe, PROBE_FREE + 0x8_0000);
    probe.restart(domain);
    return probe;
  });
  for (const [n, domain] of [one, two].entries()) probes[n].finish(machine, domain, 10e9);
  const words = (domain: Domain, at: number) => new BigUint64Array(domain.readMemory(at, 8 * SAFE.length).buffer);
  let kept = 0;
  for (const [n, domain] of [one, two].entries()) {
    const [first, later] = [words(domain, PROBE_FREE), words(domain, PROBE_FREE + 0x8_0000)];
    const other = words([two, one][n], PROBE_FREE);
    for (const [index, register] of SAFE.entries()) {
      assertEquals(later[index], first[index], `${domain.name}: register ${register.toString(16)}`);
      if (first[index] !== other[index]) kept++;
    }
  }
  assert(kept >= 2 * 20, `${kept} registers differ between the guests`);
});

/** Registers that hold what is written to them, and do nothing meanwhile with the MMU off. Arm ARM DDI 0487, "AArch64 System register encodings". */
const SAFE = [
  [3, 0, 2, 0, 0], // TTBR0_EL1
  [3, 0, 2, 0, 1], // TTBR1_EL1
  [3, 0, 2, 0, 2], // TCR_EL1
  [3, 0, 5, 1, 0], // AFSR0_EL1
  [3, 0, 5, 1, 1], // AFSR1_EL1
  [3, 0, 5, 2, 0], // ESR_EL1
  [3, 0, 6, 0, 0], // FAR_EL1
  [3, 0, 7, 4, 0], // PAR_EL1
  [3, 0, 10, 2, 0], // MAIR_EL1
  [3, 0, 10, 3, 0], // AMAIR_EL1
  [3, 0, 13, 0, 1], // CONTEXTIDR_EL1
  [3, 0, 13, 0, 4], // TPIDR_EL1
  [3, 3, 13, 0, 2], // TPIDR_EL0
  [3, 3, 13, 0, 3], // TPIDRRO_EL0
  [3, 0, 14, 1, 0], // CNTKCTL_EL1
  [3, 3, 14, 3, 2], // CNTV_CVAL_EL0
  [3, 3, 14, 2, 2], // CNTP_CVAL_EL0
  [3, 2, 0, 0, 0], // CSSELR_EL1
  [3, 0, 4, 1, 0], // SP_EL0
  [3, 0, 4, 0, 0], // SPSR_EL1
  [3, 0, 4, 0, 1], // ELR_EL1
  [3, 3, 4, 4, 0], // FPCR
  [3, 3, 4, 4, 1], // FPSR
  [2, 0, 0, 0, 4], // DBGBVR0_EL1
  [2, 0, 0, 1, 4], // DBGBVR1_EL1
  [2, 0, 0, 0, 6], // DBGWVR0_EL1
  [2, 0, 0, 3, 6], // DBGWVR3_EL1
].map(([op0, op1, crn, crm, op2]) => packed(op0, op1, crn, crm, op2));

Deno.test("class 6, features: of all 32,768 encodings a guest reads only what its CPU has; nothing of EL2, EL3, or what is implementation defined", async () => {
  using machine = await bootCrowded({ domains: ["one"] });
  const [one] = machine.domains;
  const probe = new Probe();
  // mov x0, #0x7e57; mrs; str x0, [x1], #8: what faults leaves the number.
  probe.run([...constant(1, PROBE_FREE), ...Array.from({ length: ENCODINGS }, (_, n) => [0xd28f_cae0, mrs(n), 0xf800_8420]).flat()]);
  probe.restart(one);
  probe.finish(machine, one, 10e9);
  const values = new BigUint64Array(one.readMemory(PROBE_FREE, 8 * ENCODINGS).buffer);
  const read = [...values.keys()].filter((n) => values[n] !== 0x7e57n);
  const fields = (n: number) => ({ op0: 2 + (n >> 14), op1: n >> 11 & 7, crn: n >> 7 & 15, crm: n >> 3 & 15, op2: n & 7 });
  const told = (list: readonly number[]) => list.map((n) => JSON.stringify(fields(n)));
  assert(read.length > 80 && read.length < 400, `${read.length} registers`);
  assert(read.includes(packed(3, 0, 0, 0, 0)) && read.includes(packed(3, 3, 14, 0, 2)), "MIDR_EL1, CNTVCT_EL0");
  const of = (what: (field: ReturnType<typeof fields>) => boolean) => told(read.filter((n) => what(fields(n))));
  assertEquals(of(({ op0, op1 }) => op0 === 3 && op1 >= 4), [], "EL2, EL3 and secure EL1");
  assertEquals(of(({ op0, crn }) => op0 === 3 && (crn === 11 || crn === 15)), [], "implementation defined");
  assertEquals(
    of(({ op0, op1, crn }) => op0 === 3 && op1 === 3 && crn === 13).length,
    2,
    "of CRn 13 the thread registers, no activity monitors",
  );
  assertEquals(of(({ op0, op1 }) => op0 === 2 && op1 === 1), [], "trace registers");
  assertEquals(
    of(({ op0, op1, crn, crm }) => op0 === 3 && op1 === 0 && crn === 9 && crm >= 9 && crm <= 11),
    [],
    "statistical profiling, trace buffer",
  );
  assertEquals(of(({ op0, op1, crn, crm }) => op0 === 3 && op1 === 0 && crn === 10 && (crm === 4 || crm === 5)), [], "LORegions, MPAM");
  assertEquals(of(({ op0, crn, crm }) => op0 === 3 && crn === 5 && crm >= 3 && crm <= 6), [], "RAS, tags");
});

Deno.test("class 13 and 15: nothing is mapped or taken for a domain that has gone; the next one with its VMID and frames sees its own", async () => {
  using machine = await bootCrowded({ domains: ["one"] });
  const [one] = machine.domains;
  const spec = machine.board.domains[0];
  const { at } = one.ram[0];
  const probe = new Probe();
  for (let page = 0; page < 64; page++) probe.store(8, PROBE_FREE + 0x10_0000 + 4096 * page, 0x51_1e);
  probe.restart(one);
  probe.finish(machine, one);
  const usage = () => [...machine.memory.usage()].filter(([owner]) => owner.startsWith("one"));
  machine.destroyDomain(one);
  assertEquals(usage(), []);
  const mapping = { read: true, write: true, execute: true, type: "normal-wb" } as const;
  assertThrows(() => one.space.map(at, machine.memory.banks[0].base, 4096, mapping), Error, "destroyed");
  assertThrows(() => one.space.unmap(at, 4096), Error, "destroyed");
  one.takeBack(at, 4096);
  one.giveBack(at, 4096);
  for (const vcpu of one.vcpus) {
    vcpu.kick();
    vcpu.resumeAccess();
    vcpu.start(BigInt(PROBE_LOAD), 0n);
    assertEquals(vcpu.power, "off");
  }
  one.end({ kind: "crash", report: "late" });
  one.pause();
  one.unpause();
  assertEquals(usage(), []);
  const next = await machine.createDomain(spec);
  const look = new Probe();
  const steps = Array.from({ length: 64 }, (_, page) => look.load(8, PROBE_FREE + 0x10_0000 + 4096 * page));
  look.restart(next);
  look.finish(machine, next);
  for (const step of steps) assertEquals(look.result(next, step), 0n);
});

Deno.test("cache colours: no frame of a domain's RAM has a colour of another's, and it works all the same", async () => {
  const set = { cacheColours: "8", "domains.0.cacheColours": "0-2", "domains.1.cacheColours": "4-6" };
  using machine = await bootCrowded({}, { set });
  const probe = new Probe();
  probe.fill(PROBE_FREE, PROBE_FREE + 0x10_0000, 0x1234_5678_9abc_def0n);
  const steps = [PROBE_FREE, PROBE_FREE + 0x8_0008, PROBE_FREE + 0xf_fff8].map((at) => probe.load(8, at));
  for (const domain of machine.domains) probe.restart(domain);
  for (const domain of machine.domains) {
    probe.finish(machine, domain);
    for (const step of steps) assertEquals(probe.result(domain, step), 0x1234_5678_9abc_def0n);
  }
  const seen = machine.domains.map(({ ram: [{ at, size }], space }) => {
    const colours = new Set<number>();
    for (let offset = 0; offset < size; offset += 4096) colours.add(space.lookup(at + offset)!.pa / 4096 % 8);
    return [...colours].sort();
  });
  assertEquals(seen, [[0, 1, 2], [4, 5, 6]]);
  const tables = new Map<string, Set<number>>();
  for (const { base, size } of machine.memory.banks) {
    for (let pa = base; pa < base + size; pa += 4096) {
      const [, domain] = machine.memory.ownerOf(pa)?.owner.match(/^(.*) \(stage 2 tables\)$/) ?? [];
      if (domain !== undefined) tables.set(domain, (tables.get(domain) ?? new Set()).add(pa / 4096 % 8));
    }
  }
  const own = machine.domains.map(({ name }) => [...tables.get(name)!].sort());
  for (const [index, colours] of own.entries()) {
    assert(colours.length > 0 && colours.every((one) => seen[index].includes(one)), `${colours}`);
  }
});

Deno.test("class 21, contention: two domains that hammer one word of a shared page both get on", async () => {
  using machine = await bootCrowded();
  const [one, two] = machine.domains;
  const rounds = 20_000;
  const probes = [one, two].map((domain) => {
    const probe = new Probe();
    // 1: ldxr x3, [x1]; add x3, x3, #1; stxr w4, x3, [x1]; cbnz w4, 1b; subs x2, x2, #1; b.ne 1b.
    probe.run([
      ...constant(1, 0x3a00_0000),
      ...constant(2, rounds),
      0xc85f_7c23,
      0x9100_0463,
      0xc804_7c23,
      0x35ff_ffa4,
      0xf100_0442,
      0x54ff_ff61,
    ]);
    probe.restart(domain);
    return probe;
  });
  for (const [n, domain] of [one, two].entries()) probes[n].finish(machine, domain, 1e9);
  const shared = new DataView(machine.memory.view(one.space.lookup(0x3a00_0000)!.pa, 8).slice().buffer).getBigUint64(0, true);
  assertEquals(shared, BigInt(2 * rounds), "no increment is lost");
});

Deno.test("class 24, cache maintenance: any address, the top of every address space included", async () => {
  using machine = await bootCrowded({ domains: ["one"] });
  const [one] = machine.domains;
  const operations = {
    civac: 0xd50b_7e20,
    cvac: 0xd50b_7a20,
    ivac: 0xd508_7620,
    icivau: 0xd50b_7520,
    cvau: 0xd50b_7b20,
    zva: 0xd50b_7420,
    isw: 0xd508_7640,
    cisw: 0xd508_7e40,
  };
  const probe = new Probe();
  const addresses = [32n, 40n, 48n, 52n, 63n, 64n].flatMap((bits) => [2n ** bits - 64n, 2n ** bits - 1n, 2n ** bits & (2n ** 64n - 1n)]);
  const steps = Object.entries(operations).flatMap(([name, word]) =>
    addresses.map((address) => ({ name, address, step: probe.run([word], address) }))
  );
  const after = probe.load(4, PROBE_LOAD);
  probe.restart(one);
  probe.finish(machine, one);
  for (const { name, address, step } of steps) {
    const result = probe.result(one, step);
    // It is done, X0 is what it was; or it aborted: a data abort or an instruction abort at EL1, or UNDEFINED.
    const ec = Number(result >> 26n & 0x3fn);
    assert(
      result === address || (result & FAULT) !== 0n && [0, 0x21, 0x25].includes(ec),
      `${name} of ${address.toString(16)}: ${result.toString(16)}`,
    );
  }
  assert((probe.result(one, after) & FAULT) === 0n);
  assertEquals(one.outcome, undefined);
});

Deno.test("class 25, masks: DAIF is the same after a trap as before, in all 16 states", async () => {
  using machine = await bootCrowded({ domains: ["one"] });
  const [one] = machine.domains;
  const probe = new Probe();
  const traps = { call: [...constant(0, PSCI_VERSION), 0xd400_0002], device: [...constant(1, UART), 0xb940_1820], nothing: [0xd503_201f] };
  const steps = Object.entries(traps).flatMap(([name, trap]) =>
    Array.from({ length: 16 }, (_, daif) => ({
      name,
      daif,
      // mov x2, x0; msr daif, x0; the trap; mrs x0, daif; msr daifset, #15.
      step: probe.run([0xd51b_4220, ...trap, 0xd53b_4220, 0xd503_4fdf], daif << 6),
    }))
  );
  probe.restart(one);
  probe.finish(machine, one);
  for (const { name, daif, step } of steps) assertEquals(probe.result(one, step), BigInt(daif) << 6n, `${name}, DAIF ${daif}`);
});

Deno.test("class 26, aborts: where nothing is, the guest that looks gets the abort, at its own exception level, and nobody else does", async () => {
  using machine = await bootCrowded();
  const [one, two] = machine.domains;
  const probe = new Probe();
  const holes = [0, 0x0700_0000, 0x2000_0000, 0x4040_0000, 0x41f0_0000, 0xffff_f000, 0x1_0000_0000, 0xff_ffff_f000];
  const steps = holes.flatMap((hole) => [probe.load(4, hole), probe.store(4, hole, 1), probe.load(8, hole + 8)]);
  probe.restart(one);
  const quiet = new Probe();
  const fine = quiet.load(4, PROBE_LOAD);
  quiet.restart(two);
  probe.finish(machine, one);
  quiet.finish(machine, two);
  for (const step of steps) {
    const result = probe.result(one, step);
    assert((result & FAULT) !== 0n, `step ${step}: ${result.toString(16)}`);
    assertEquals(Number(result >> 26n & 0x3fn), 0x25, "a data abort without a change of exception level");
    assertEquals(Number(result & 0x3fn), 0x10, "synchronous, external, not on a table walk");
  }
  assert((quiet.result(two, fine) & FAULT) === 0n);
  assertEquals([one.outcome, two.outcome], [undefined, undefined]);
});
