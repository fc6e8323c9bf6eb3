/**
 * The command queue. Arm IHI 0069, "The ITS command interface". A queue has at most 32,768 commands, and some of them are much work, so
 * each takes credit, which virtual time gives back at the rate at which the host works: what finds none waits for a timer. A guest sees
 * GITS_CREADR lag behind, as with any ITS.
 */
import type { Clock, Timer } from "../../../core/mod.ts";
import type { GuestMemory } from "../vgic/guest_memory.ts";
import { COMMAND_SIZE } from "./commands.ts";
import type { Commands } from "./commands.ts";
import { MOST_CREDIT, NS_PER_UNIT } from "./state.ts";
import type { ItsState } from "./state.ts";

/** Commands that are copied out of the queue at a time. */
const BATCH = 64;
const PAGE = 0x1000;

/** Executes what the guest queues. */
export class CommandQueue {
  readonly #timer: Timer;

  constructor(
    private readonly state: ItsState,
    private readonly memory: GuestMemory,
    private readonly commands: Commands,
    private readonly clock: Clock,
    private readonly trace: (kind: string, detail: () => string) => void,
  ) {
    this.#timer = clock.timer("commands", () => this.run());
  }

  /** Executes commands until there are none, or no credit is left. */
  run(): void {
    const { state } = this;
    const size = ((state.queueLow & 0xff) + 1) * PAGE;
    if (!state.enabled || state.queueHigh < 0x8000_0000 || state.readOffset === state.writeOffset) return this.#timer.disarm();
    if (state.writeOffset >= size || state.readOffset >= size) {
      this.#timer.disarm();
      return this.trace("ITS queue", () => `GITS_CWRITER ${state.writeOffset} is outside the queue's ${size} bytes`);
    }
    this.#earn();
    while (state.credit > 0 && state.readOffset !== state.writeOffset) {
      const end = state.writeOffset > state.readOffset ? state.writeOffset : size;
      this.#batch(Math.min(end - state.readOffset, BATCH * COMMAND_SIZE), size);
    }
    if (state.readOffset === state.writeOffset) this.#timer.disarm();
    // Enough for a burst, so that the timer doesn't fire for each command.
    else this.#timer.arm(this.clock.nowNs + Math.ceil((MOST_CREDIT / 2 - state.credit) * NS_PER_UNIT));
  }

  /** Executes what lies in a row, as far as credit goes. */
  #batch(length: number, size: number): void {
    const { state } = this;
    const base = (state.queueHigh & 0xf_ffff) * 2 ** 32 + ((state.queueLow & 0xffff_f000) >>> 0);
    const bytes = this.memory.read(base + state.readOffset, length);
    if (bytes === undefined) {
      state.readOffset = state.writeOffset;
      return this.trace("ITS queue", () => `the queue isn't in guest RAM: what it should hold is skipped`);
    }
    for (let at = 0; at < length && state.credit > 0; at += COMMAND_SIZE) {
      state.credit -= this.commands.execute(new DataView(bytes.buffer, bytes.byteOffset + at, COMMAND_SIZE));
      state.readOffset = (state.readOffset + COMMAND_SIZE) % size;
    }
  }

  #earn(): void {
    const { state } = this;
    const { nowNs } = this.clock;
    state.credit = Math.min(state.credit + (nowNs - state.creditAtNs) / NS_PER_UNIT, MOST_CREDIT);
    state.creditAtNs = nowNs;
  }
}
