/**
 * A third-party device in one file, written once against the device contract: Arm's SP805 watchdog, which Linux's sp805_wdt drives.
 * A manifest uses it by path: `- use: ../examples/sp805.ts`; with `runs: ioreq` the same source runs in a Worker of its own.
 *
 * Arm DDI 0270, "Watchdog module": a counter runs down from WDOGLOAD. At zero it raises the interrupt and starts over; at zero again,
 * with the interrupt still there, it resets the system.
 *
 * What can a hostile guest do here? Be late, and be reset. A timer is armed only for a zero that changes something, so the shortest
 * period costs no more than the longest.
 */
import { defineDevice, devicePlugin, PRIMECELL_SIZE, primeCellNodes, primeCellRegisters, registers } from "../mod.ts";
import type { Device, DeviceContext, DevicePlugin } from "../mod.ts";

/** Registers by byte offset, "Summary of registers". */
const block = registers(32, {
  LOAD: { at: 0x000, access: "rw", reset: 0xffff_ffff },
  VALUE: { at: 0x004, access: "ro", reset: 0xffff_ffff },
  CONTROL: { at: 0x008, access: "rw", fields: { INTEN: 0, RESEN: 1 } },
  INTCLR: { at: 0x00c, access: "wo" },
  RIS: { at: 0x010, access: "ro" },
  MIS: { at: 0x014, access: "ro" },
  LOCK: { at: 0xc00, access: "rw" },
  ...primeCellRegisters(0x805, 1),
}, { size: PRIMECELL_SIZE });

/** What LOCK wants to see; then it reads 0. */
const KEY = 0x1acc_e551;

/** Of the clock that all PrimeCells of a board share, 24 MHz. */
const TICKS_PER_US = 24;

/** Plain data, which the framework keeps: everything that the device knows. */
interface State {
  readonly registers: ReturnType<typeof block.reset>;
  /** The tick at which the counter was last at LOAD; one ahead of now at the very tick of a zero. */
  start: number;
  locked: boolean;
}

/** The plugin: `at`, `interrupt` and `runs` come from the framework. */
export const sp805: DevicePlugin<object, State> = devicePlugin(defineDevice<object, State>({
  name: "sp805",
  doc: "Arm SP805 watchdog: interrupts a guest that is late, then resets it.",
  module: import.meta.url,
  options: {},
  windows: { registers: { size: PRIMECELL_SIZE, default: 0x0912_0000 } },
  interrupts: { late: { default: 43 } },
  deviceTree: (_, places) => [{
    under: "/",
    nodes: primeCellNodes("sp805", places, {
      clocks: { cells: ["&clk24mhz", "&clk24mhz"] },
      "clock-names": { text: ["wdog_clk", "apb_pclk"] },
    }),
  }],
  state: () => ({ registers: block.reset(), start: 0, locked: false }),
  create,
}));

function create({ state, clock, interrupt, resetDomain }: DeviceContext<object, State>): Device {
  const { registers } = state;
  const line = interrupt("late");
  const zero = clock.timer("zero", settle);
  const now = () => Math.floor(clock.nowNs * TICKS_PER_US / 1000);
  const runs = () => (registers.CONTROL & 1) !== 0;
  const resets = () => (registers.CONTROL & 2) !== 0;

  /** Brings registers and line up to now, and plans the next zero that changes something. */
  function settle(): void {
    if (runs()) {
      const period = registers.LOAD + 1;
      const zeros = Math.floor((now() - state.start + 1) / period);
      state.start += zeros * period;
      registers.VALUE = now() < state.start ? 0 : registers.LOAD - (now() - state.start);
      const late = zeros + registers.RIS;
      registers.RIS = Math.min(late, 1);
      if (late > 1 && resets()) resetDomain("its SP805");
    }
    line.set(runs() && registers.RIS !== 0);
    if (runs() && (registers.RIS === 0 || resets())) zero.arm(Math.ceil((state.start + registers.LOAD) * 1000 / TICKS_PER_US));
    else zero.disarm();
  }

  function reload(): void {
    state.start = now();
    registers.VALUE = registers.LOAD;
    settle();
  }

  const chip = block.handler(registers, {
    LOAD: { write: reload },
    INTCLR: {
      write() {
        registers.RIS = 0;
        reload();
      },
    },
    MIS: { read: () => registers.RIS & registers.CONTROL },
    LOCK: {
      read: () => Number(state.locked),
      write: (key) => state.locked = key !== KEY,
    },
  });
  return {
    windows: {
      registers: {
        read(offset, size) {
          settle();
          return chip.read(offset, size);
        },
        write(offset, size, value) {
          settle();
          const ran = runs();
          if (!state.locked || offset === block.specs.LOCK.at) chip.write(offset, size, value);
          // What was off starts from LOAD, what is on goes on.
          if (ran) settle();
          else if (runs()) reload();
        },
      },
    },
  };
}

export default sp805;
