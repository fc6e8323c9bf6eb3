/**
 * What the hypervisor's thread and the CPUs' threads have in common, beside the guest's memory: one block of words for all of them and one
 * for each CPU. Whoever may read a word while another thread writes it does so by Atomics.
 */

/** Words for all, by index. */
export const Shared = {
  /** Grows whenever a CPU has something for the hypervisor, which sleeps on it. */
  DOORBELL: 0,
  /** Instructions of the round after which a CPU comes back. */
  LIMIT: 1,
  /** Taken by whoever writes to the log of maintenance. */
  LOG_LOCK: 2,
  /** Entries of the log that were ever written. */
  LOG_HEAD: 3,
  /** Virtual time at the beginning of the round in nanoseconds, and nanoseconds per instruction: floating point, 64 bits each. */
  ROUND_NS: 4,
  NS_PER_INSTRUCTION: 6,
} as const;

/** Words of one CPU, from the start of its block. */
export const Own = {
  /** One of {@linkcode State}; who waits sleeps on it. */
  STATE: 0,
  /** 1: it is wanted back. */
  KICK: 1,
  /** 1 while guest code may execute: who must know that the log was read waits for {@linkcode SEEN}. */
  IN_GUEST: 2,
  /** Entries of the log that it has done. */
  SEEN: 3,
  /** Instructions of the round that it has behind it. */
  POSITION: 4,
  /** One of {@linkcode Call}. */
  CALL: 5,
  /** Number of the vCPU that it runs, and whether another one than before, or from elsewhere. */
  VCPU: 6,
  /** What it tells when it comes back: one of {@linkcode exitKinds}, instructions retired, writes to timers, bytes of text. */
  EXIT: 7,
  RETIRED: 8,
  TIMER_WRITES: 9,
  TEXT: 10,
  /** A call: its size in bytes, and 1 for a write. */
  SIZE: 11,
  WRITES: 12,
  /** Physical address and value of a call, or PC and syndrome of an exit; instructions that the vCPU had retired before. 64 bits each. */
  ADDRESS: 14,
  VALUE: 16,
  BEFORE: 18,
  /** What the vCPU's `FaultLoop` saw: {@linkcode LOOP_WORDS} words. */
  LOOP: 20,
} as const;

/** Words of a saved `FaultLoop`. */
export const LOOP_WORDS = 10;

/** What a CPU does. */
export const State = { idle: 0, run: 1, done: 2, quit: 3 } as const;

/** An access to a device that the hypervisor's thread makes for a CPU. */
export const Call = {
  none: 0,
  asked: 1,
  answered: 2,
  /** It is the CPU's own GICV: ADDRESS is the offset. */
  own: 3,
  /** Nobody is there. */
  nobody: 4,
  /** The instruction is to be executed once more, later. */
  again: 5,
} as const;

/** Kinds of exit, by number. `failed`: the engine threw. */
export const exitKinds = ["budget", "exception", "WFI", "WFE", "fault-loop", "failed"] as const;

/** An entry of the log. */
export interface LogEntry {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
}

/** Kinds of entry, with what `a` to `e` are. */
export const LogKind = {
  /** Packed number of the instruction, argument in halves, VMID, vCPU. */
  tlbi: 1,
  /** Frame. */
  code: 2,
  allCode: 3,
  /** vCPU. */
  vcpu: 4,
  /** VMID, or -1. */
  vmid: 5,
} as const;

const HEADER = 32, OWN = 64, LOG_ENTRIES = 1024, LOG_WORDS = 8, EVENTS = 256;
const TEXT_BYTES = 8192;
/** How long a thread sleeps at most before it looks again, in milliseconds. */
const NAP_MS = 1;

/** Words from one CPU's word of attention to the next: none shares a line of the host's cache with another's. */
const ATTENTION_STRIDE = 16;

/** Bytes of the words of attention, in the memory that generated code sees. */
export function attentionSize(cpus: number): number {
  return cpus * ATTENTION_STRIDE * 4;
}

/** All of them, when the first has this address. */
export function attentionWords(memory: ArrayBufferLike, first: number, cpus: number): Int32Array {
  return new Int32Array(memory, first, attentionSize(cpus) / 4);
}

/** Address of a CPU's, when the first has this one. */
export function attentionAt(first: number, cpu: number): number {
  return first + cpu * ATTENTION_STRIDE * 4;
}

/** The log has more than can be read. */
export const OVERRUN = Symbol("overrun");

/** Views of it, made in each thread from the same buffer. */
export class Control {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly floats: Float64Array<SharedArrayBuffer>;
  readonly longs: BigUint64Array<SharedArrayBuffer>;
  readonly #text: Uint8Array<SharedArrayBuffer>;
  readonly #log: number;
  readonly #events: number;

  /**
   * @param cpus how many; the buffer is made when there is none
   * @param attention a word for each CPU, other than zero when there is something to look at before its run goes on
   */
  constructor(
    readonly cpus: number,
    readonly attention: Int32Array,
    readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(Control.#bytes(cpus)),
  ) {
    this.words = new Int32Array(buffer);
    this.floats = new Float64Array(buffer);
    this.longs = new BigUint64Array(buffer);
    this.#log = HEADER + OWN * cpus;
    this.#events = this.#log + LOG_ENTRIES * LOG_WORDS;
    this.#text = new Uint8Array(buffer, (this.#events + EVENTS) * 4);
  }

  static #bytes(cpus: number): number {
    return (HEADER + OWN * cpus + LOG_ENTRIES * LOG_WORDS + EVENTS) * 4 + TEXT_BYTES * cpus;
  }

  /** Index of a CPU's word. */
  own(cpu: number, word: number): number {
    return HEADER + OWN * cpu + word;
  }

  get(cpu: number, word: number): number {
    return Atomics.load(this.words, this.own(cpu, word));
  }

  set(cpu: number, word: number, value: number): void {
    Atomics.store(this.words, this.own(cpu, word), value);
  }

  /** A CPU is wanted back. */
  kick(cpu: number): void {
    this.set(cpu, Own.KICK, 1);
    this.#alarm(cpu);
  }

  /** Instructions of the round after which a CPU comes back. */
  get limit(): number {
    return Atomics.load(this.words, Shared.LIMIT);
  }

  set limit(position: number) {
    if (Atomics.exchange(this.words, Shared.LIMIT, position) > position) this.#alarmAll();
  }

  /** There is nothing new for a CPU since it was asked to {@linkcode attend}. */
  isCalm(cpu: number): boolean {
    return Atomics.load(this.attention, cpu * ATTENTION_STRIDE) === 0;
  }

  /** Before a CPU looks at all that there may be for it. */
  attend(cpu: number): void {
    Atomics.store(this.attention, cpu * ATTENTION_STRIDE, 0);
  }

  /** After what there is to look at was written. */
  #alarm(cpu: number): void {
    Atomics.store(this.attention, cpu * ATTENTION_STRIDE, 1);
  }

  #alarmAll(): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) this.#alarm(cpu);
  }

  /** What the vCPU's watcher of fault loops saw. */
  loop(cpu: number): readonly number[] {
    return [...this.words.subarray(this.own(cpu, Own.LOOP), this.own(cpu, Own.LOOP) + LOOP_WORDS)];
  }

  setLoop(cpu: number, loop: readonly number[]): void {
    this.words.set(loop, this.own(cpu, Own.LOOP));
  }

  /** Changes a word that another thread may sleep on. */
  wake(cpu: number, word: number, value: number): void {
    const index = this.own(cpu, word);
    Atomics.store(this.words, index, value);
    Atomics.notify(this.words, index);
  }

  /** Tells the hypervisor to look. */
  ring(): void {
    Atomics.add(this.words, Shared.DOORBELL, 1);
    Atomics.notify(this.words, Shared.DOORBELL);
  }

  /** Where the CPU that is farthest in this round is. */
  get position(): number {
    let most = 0;
    for (let cpu = 0; cpu < this.cpus; cpu++) most = Math.max(most, this.get(cpu, Own.POSITION));
    return most;
  }

  /** Virtual time: that of the CPU that is farthest, so that nobody ever reads less than another has read. */
  get nowNs(): number {
    return this.floats[Shared.ROUND_NS / 2] + Math.floor(this.position * this.floats[Shared.NS_PER_INSTRUCTION / 2]);
  }

  /** The event registers that SEV sets, of all vCPUs but one. */
  sendEvent(but: number): void {
    for (let vcpu = 0; vcpu < EVENTS; vcpu++) if (vcpu !== but) Atomics.store(this.words, this.#events + vcpu, 1);
  }

  takeEvent(vcpu: number): boolean {
    return Atomics.exchange(this.words, this.#events + vcpu, 0) !== 0;
  }

  /** Cuts off what doesn't fit. */
  setText(cpu: number, text: string): void {
    const bytes = new TextEncoder().encode(text).subarray(0, TEXT_BYTES);
    this.#text.set(bytes, cpu * TEXT_BYTES);
    this.set(cpu, Own.TEXT, bytes.length);
  }

  text(cpu: number): string {
    return new TextDecoder().decode(this.#text.slice(cpu * TEXT_BYTES, cpu * TEXT_BYTES + this.get(cpu, Own.TEXT)));
  }

  /** Adds to the log; returns how many entries there are with it. */
  log(kind: number, a = 0, b = 0, c = 0, d = 0, e = 0): number {
    const { words } = this;
    while (Atomics.compareExchange(words, Shared.LOG_LOCK, 0, 1) !== 0);
    const head = Atomics.load(words, Shared.LOG_HEAD);
    const at = this.#entry(head);
    words[at] = kind;
    words[at + 1] = a;
    words[at + 2] = b;
    words[at + 3] = c;
    words[at + 4] = d;
    words[at + 5] = e;
    Atomics.store(words, Shared.LOG_HEAD, (head + 1) | 0);
    Atomics.store(words, Shared.LOG_LOCK, 0);
    this.#alarmAll();
    return (head + 1) | 0;
  }

  #entry(number: number): number {
    return this.#log + (number & (LOG_ENTRIES - 1)) * LOG_WORDS;
  }

  /** How many entries were ever written, as 32 bits. */
  get logHead(): number {
    return Atomics.load(this.words, Shared.LOG_HEAD);
  }

  /** Reads the log from one entry on. Returns where to go on, or {@linkcode OVERRUN} when something was lost. */
  readLog(from: number, visit: (entry: LogEntry) => void): number | typeof OVERRUN {
    const head = this.logHead;
    if (((head - from) | 0) > LOG_ENTRIES / 2) return OVERRUN;
    const entries: LogEntry[] = [];
    for (let n = from; n !== head; n = (n + 1) | 0) {
      const at = this.#entry(n);
      const [kind, a, b, c, d, e] = this.words.subarray(at, at + 6);
      entries.push({ kind, a, b, c, d, e });
    }
    // Whoever wrote meanwhile hasn't come around to what was read.
    if (((this.logHead - from) | 0) >= LOG_ENTRIES) return OVERRUN;
    entries.forEach(visit);
    return head;
  }

  /** Waits until every CPU that executes guest code has done the log up to `end`. `meanwhile` is called again and again. */
  awaitLog(end: number, but: number, meanwhile: () => void): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      if (cpu === but) continue;
      for (;;) {
        const seen = this.get(cpu, Own.SEEN);
        if (((seen - end) | 0) >= 0 || this.get(cpu, Own.IN_GUEST) === 0) break;
        meanwhile();
        Atomics.wait(this.words, this.own(cpu, Own.SEEN), seen, NAP_MS);
      }
    }
  }
}
