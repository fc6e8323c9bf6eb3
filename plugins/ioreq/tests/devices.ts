/** Devices for tests: a good one that uses all that a device is given, and bad ones. */
import { defineDevice, devicePlugin } from "../../device/contract.ts";
import type { DevicePlugin, DeviceWindow, DiskRequest } from "../../device/contract.ts";

/** Registers of the good device: a counter, a copier, a timer, an interrupt, a port, a disk. */
export const Register = {
  /** Counts the writes; reads the sum. */
  SUM: 0x00,
  FROM: 0x08,
  TO: 0x10,
  /** Copies so many bytes from FROM to TO. Reads 1 when it could. */
  COPY: 0x18,
  LINE: 0x20,
  /** Raises the interrupt so many nanoseconds from now. */
  TIMER: 0x28,
  TIME: 0x30,
  PUT: 0x38,
  /** What came in last. */
  GET: 0x40,
  /** Writes a byte to the disk at the place that FROM says, and flushes. */
  DISK: 0x48,
  RANDOM: 0x50,
  /** Misbehaves: {@linkcode Crime}. */
  CRIME: 0x58,
  /** Two writes to guest memory with a crime between them. */
  HALF: 0x60,
} as const;

/** What may go wrong. */
export const Crime = {
  THROW: 1,
  HANG: 2,
  EXIT: 3,
  PASSWD: 4,
  SOCKET: 5,
  EAT: 6,
} as const;

/** State of the good device. */
export interface GoodState {
  sum: number;
  from: number;
  to: number;
  copied: number;
  got: number;
}

/** Options. */
export interface GoodOptions {
  readonly file?: string;
  readonly fails: boolean;
  /** Of its serial port. */
  readonly port?: string;
}

function commit(crime: number): void {
  switch (crime) {
    case Crime.THROW:
      throw new Error("on purpose");
    case Crime.HANG:
      for (;;);
    case Crime.EXIT:
      Deno.exit(3);
      break;
    case Crime.PASSWD:
      Deno.readTextFileSync("/etc/passwd");
      break;
    case Crime.SOCKET:
      Deno.listen({ port: 0 });
      break;
    case Crime.EAT: {
      const eaten: number[][] = [];
      for (;;) eaten.push(new Array(100_000).fill(eaten.length));
    }
  }
}

const portOf = ({ port }: GoodOptions) => port ?? "good";

/** The good device. */
export const good: DevicePlugin<GoodOptions, GoodState> = devicePlugin(defineDevice<GoodOptions, GoodState>({
  name: "good",
  doc: "A device of tests.",
  module: import.meta.url,
  options: {
    file: { kind: "text", optional: true, doc: "A disk." },
    fails: { kind: "boolean", default: false, doc: "Refuses to start." },
    port: { kind: "text", default: "good", doc: "Its serial port." },
  },
  windows: { registers: { size: 0x1000 } },
  interrupts: { interrupt: {} },
  ports: (options) => [portOf(options)],
  disks: ({ file }): Record<string, DiskRequest> =>
    file === undefined ? {} : { disk: { option: "file", path: file, mode: { write: true } } },
  state: () => ({ sum: 0, from: 0, to: 0, copied: 0, got: 0 }),
  keep: ({ sum }) => ({ sum }),
  create({ options, state, clock, dma, interrupt, port, disk, random, fail }) {
    if (options.fails) fail("fails", "it was told to");
    const line = interrupt("interrupt");
    const serial = port(portOf(options));
    serial.onInput((byte) => state.got = byte);
    const timer = clock.timer("alarm", () => line.set(true));
    const window: DeviceWindow = {
      read(offset) {
        switch (offset) {
          case Register.SUM:
            return state.sum;
          case Register.COPY:
            return state.copied;
          case Register.TIME:
            return clock.nowNs;
          case Register.GET:
            return state.got;
          case Register.RANDOM:
            return random(1)[0];
          default:
            return 0;
        }
      },
      write(offset, _size, value) {
        const number = Number(value);
        switch (offset) {
          case Register.SUM:
            state.sum += number;
            return;
          case Register.FROM:
            state.from = number;
            return;
          case Register.TO:
            state.to = number;
            return;
          case Register.COPY: {
            const bytes = dma.read(state.from, number);
            state.copied = bytes !== undefined && dma.write(state.to, bytes) ? 1 : 0;
            return;
          }
          case Register.LINE:
            return line.set(number === 1);
          case Register.TIMER:
            return timer.arm(clock.nowNs + number);
          case Register.PUT:
            return serial.write(number);
          case Register.DISK: {
            const file = disk("disk");
            file.write(state.from, Uint8Array.of(number));
            return file.flush();
          }
          case Register.CRIME:
            return commit(number);
          case Register.HALF:
            dma.write(state.to, Uint8Array.of(1));
            state.sum += 1000;
            commit(number);
            dma.write(state.to + 4096, Uint8Array.of(2));
            return;
        }
      },
    };
    return { windows: { registers: window } };
  },
}));
