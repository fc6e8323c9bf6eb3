/** Address spaces over the model of the registers: what a CPU has after each call, and what is refused. */
import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { Mapping } from "../../core/mod.ts";
import { guestRegions, ownRegions, RAM, UART, World } from "./tests/world.ts";

const rwx: Mapping = { read: true, write: true, execute: true, type: "normal-wb" };
const rw: Mapping = { ...rwx, execute: false };
const device: Mapping = { ...rw, type: "device-ngnre" };
const A = RAM.at, PAGE = 4096;
/** The image: 512 KiB at the top. */
const IMAGE = RAM.at + RAM.size - 0x8_0000;

Deno.test("until booting is over no guest region is on; then the hypervisor's come first, and the guest's are as mapped", () => {
  const world = new World();
  const { space, vcpu } = world.domain("a");
  space.map(A, A, 0x10_0000, rwx);
  space.map(UART, UART, 0x1000, device);
  assertEquals(guestRegions(vcpu), []);
  assertEquals(ownRegions(vcpu).length, 5, "text, rodata, data, init text, init data with bss");
  assertEquals(vcpu.mpu.sctlr & 0xa_0001n, 0x8_0001n, "M and WXN on, BR off");
  world.finishBoot();
  assertEquals(guestRegions(vcpu), [[UART, UART + 0xfff], [A, A + 0xf_ffff]]);
  assertEquals(ownRegions(vcpu), [
    [IMAGE, IMAGE + 0x3_ffff],
    [IMAGE + 0x4_0000, IMAGE + 0x5_0fff],
    [IMAGE + 0x5_1000, IMAGE + 0x5_ffff],
    [IMAGE + 0x7_0000, IMAGE + 0x7_ffff],
  ], "text, rodata with what is read-only after init, data, bss");
  assertEquals(vcpu.mpu.enabled.findIndex(({ flags }) => (flags & 4n) !== 0n), 4);
  assertEquals(world.memory.ownerOf(IMAGE + 0x6_0000), undefined, "init text was given back");
  assertNotEquals(world.memory.ownerOf(IMAGE), undefined);
});

Deno.test("registers that a region becomes: attributes by Xen's constants where Xen has them", () => {
  const world = new World();
  const { space, vcpu } = world.domain("a");
  world.finishBoot();
  space.map(A, A, 0x8_0000, rwx);
  space.map(UART, UART, 0x1000, device);
  space.map(A + 0x10_0000, A + 0x10_0000, PAGE, { ...rwx, write: false });
  const raw = vcpu.mpu.prbar.slice(4, 7).map((base, n) => [base, vcpu.mpu.prlar[n + 4]]);
  assertEquals(raw, [[0x900_0026n, 0x900_0fc9n], [0x4000_0034n, 0x4007_ffcfn], [0x4010_003cn, 0x4010_0fcfn]]);
  // The hypervisor's own: text 0x38, rodata 0x3a, data 0x32.
  assertEquals(vcpu.mpu.prbar.slice(0, 3).map((base) => base & 0x3fn), [0x38n, 0x3an, 0x32n]);
  assertEquals(vcpu.read("MAIR_EL2"), 0xff00_0c04_08bb_4400n);
  assertEquals([space.lookup(UART + 5)?.mapping, space.lookup(A)?.mapping], [device, rwx]);
});

Deno.test("two guests on their vCPUs: neither has the other's regions, and VMID and VTCR_EL2.MSA are each one's own", () => {
  const world = new World(64);
  const rtos = world.domain("rtos"), linux = world.domain("linux", "vmsa");
  world.finishBoot();
  for (let n = 0; n < 40; n++) rtos.space.map(A + n * 0x2000, A + n * 0x2000, PAGE, rw);
  linux.space.map(A + 0x40_0000, A + 0x40_0000, 0x40_0000, rwx);
  assertEquals(guestRegions(rtos.vcpu).length, 40);
  assertEquals(guestRegions(linux.vcpu), [[A + 0x40_0000, A + 0x7f_ffff]]);
  assertEquals([rtos.vcpu.read("VTCR_EL2") >> 31n, linux.vcpu.read("VTCR_EL2") >> 31n], [0n, 1n]);
  assertEquals([rtos.vcpu.read("VSCTLR_EL2") >> 48n, linux.vcpu.read("VSCTLR_EL2") >> 48n], [1n, 2n]);
  assertEquals(rtos.vcpu.read("HCR_EL2") & 1n, 1n);
  // A vCPU that is reset gets the same again, and EL1's registers aren't the plugin's.
  linux.vcpu.reset();
  linux.vcpu.write("PRSELR_EL1", 5n);
  linux.space.install(linux.vcpu);
  assertEquals(guestRegions(linux.vcpu), [[A + 0x40_0000, A + 0x7f_ffff]]);
  assertEquals(linux.vcpu.read("PRSELR_EL1"), 5n);
  // The selector may be anything when regions change.
  for (const selector of [0n, 0x2fn, 0xffn]) {
    rtos.vcpu.mpu.prselr = selector;
    rtos.space.unmap(A + 39 * 0x2000, PAGE);
    assertEquals(guestRegions(rtos.vcpu).length, 39);
    rtos.space.map(A + 39 * 0x2000, A + 39 * 0x2000, PAGE, rw);
    assertEquals(guestRegions(rtos.vcpu).length, 40);
  }
});

Deno.test("page tables at EL1 take a CPU that has both", () => {
  const world = new World(32, {}, 1n);
  assertThrows(() => world.domain("linux", "vmsa"), RangeError, "MSA_frac");
});

Deno.test("region N + 1 is refused with its limit's name, and nothing has changed; what is unmapped can be had again, any number of times", () => {
  const world = new World(16);
  const { space, vcpu } = world.domain("a");
  world.finishBoot();
  const at = (n: number) => A + n * 0x2000;
  for (let n = 0; n < 12; n++) space.map(at(n), at(n), PAGE, rw);
  const before = guestRegions(vcpu);
  assertThrows(() => space.map(at(12), at(12), PAGE, rw), RangeError, "domain a would need 13 MPU regions; the hypervisor has 4 of the 16");
  assertEquals(guestRegions(vcpu), before);
  assertEquals(space.lookup(at(12)), undefined);
  // A neighbour with the same attributes needs none; a hole in a region needs one.
  space.map(at(3) + PAGE, at(3) + PAGE, PAGE, rw);
  assertEquals(guestRegions(vcpu).length, 11);
  space.map(at(12), at(12), PAGE, rw);
  assertThrows(() => space.unmap(at(3) + PAGE, 64), RangeError, "13 MPU regions");
  assertEquals(space.lookup(at(3) + PAGE)?.pa, at(3) + PAGE);
  for (let round = 0; round < 20_000; round++) {
    const n = round * 7 % 3;
    space.unmap(at(n), PAGE);
    space.map(at(n), at(n), PAGE, rw);
  }
  assertThrows(() => space.map(at(13), at(13), PAGE, rw), RangeError, "13 MPU regions");
  space.destroy();
  const again = world.domain("a");
  assertEquals(again.vcpu.read("VSCTLR_EL2") >> 48n, 1n, "the VMID was given back");
  for (let n = 0; n < 12; n++) again.space.map(at(n), at(n), PAGE, rw);
});

Deno.test("255 domains have VMIDs, the 256th an error", () => {
  const world = new World();
  for (let n = 1; n <= 255; n++) world.backend.createAddressSpace(`d${n}`);
  assertThrows(() => world.backend.createAddressSpace("one more"), RangeError, "no VMID");
});

Deno.test("what can't be is a RangeError that says why", () => {
  const world = new World();
  const { space } = world.domain("a");
  for (
    const [ipa, pa, size, mapping, message] of [
      [A, A + PAGE, PAGE, rwx, "translates nothing"],
      [A + 1, A + 1, PAGE, rwx, "multiple of 64"],
      [A, A, 0, rwx, "at least 64"],
      [A, A, 2 ** 48, rwx, "above 48 bits"],
      [2 ** 48 - PAGE, 2 ** 48 - PAGE, 2 * PAGE, rwx, "above 48 bits"],
      [-PAGE, -PAGE, PAGE, rwx, "not a range"],
      [A, A, PAGE, { ...rwx, read: false }, "unreadable"],
      [IMAGE, IMAGE, PAGE, rwx, "the hypervisor's region"],
      [IMAGE + 0x6_0000, IMAGE + 0x6_0000, PAGE, rwx, "the hypervisor's region"],
    ] as const
  ) assertThrows(() => space.map(ipa, pa, size, mapping), RangeError, message);
  space.map(A, A, PAGE, rwx);
  assertThrows(() => space.map(A + 64, A + 64, 64, rwx), RangeError, "is mapped already");
  assertThrows(() => space.unmap(A, 63), RangeError, "multiple of 64");
  world.finishBoot();
  // What booting needed is memory like any other now.
  space.map(IMAGE + 0x6_0000, IMAGE + 0x6_0000, PAGE, rwx);
  space.destroy();
  assertThrows(() => space.map(A, A, PAGE, rwx), Error, "destroyed");
});

Deno.test("the state is plain data", () => {
  const world = new World();
  const { space } = world.domain("a");
  space.map(A, A, PAGE, rwx);
  world.map.ioremap(UART, 0x1000, "device-ngnre");
  assertEquals(structuredClone(world.state), world.state);
});
