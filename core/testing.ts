/** For tests of plugins and of core: fakes of what core needs, and a bench that attaches a plugin to a domain. */
export { Bench, bench } from "./testing/kit.ts";
export type { BenchOptions } from "./testing/kit.ts";
export type { Next } from "./machine/dispatch.ts";
export { FakeEngine, FakeVcpuState } from "./testing/fake_cpu.ts";
export type { Step } from "./testing/fake_cpu.ts";
export { FakeAddressSpace, FakeMemoryBackend } from "./testing/fake_memory.ts";
export { FakeInterrupts } from "./testing/fake_interrupts.ts";
export { fakeBoard, roundRobin, startAll, startFirst, uses } from "./testing/fake_board.ts";
export type { FakeBoardOptions } from "./testing/fake_board.ts";
export { leakReport, leaks } from "./testing/leak_report.ts";
export type { LeakReport } from "./testing/leak_report.ts";
export { FakeSockets, silentSockets } from "./testing/fake_sockets.ts";
