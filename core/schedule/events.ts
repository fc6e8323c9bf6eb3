/** The event queue of virtual time: a binary heap, keyed by time and then by order of arming. */

/** An entry. It knows its place in the heap, so that disarming is O(log n). */
export interface QueuedEvent {
  /** Virtual time in nanoseconds. */
  ns: number;
  /** Breaks ties: what was armed first fires first. */
  sequence: number;
  /** Place in the heap; -1 when it isn't queued. Owned by {@linkcode EventQueue}. */
  place: number;
  /** Who armed it, for reports. */
  readonly name: string;
  readonly fire: () => void;
}

/** Makes an entry that isn't queued. */
export function queuedEvent(name: string, fire: () => void): QueuedEvent {
  return { ns: 0, sequence: 0, place: -1, name, fire };
}

function before(a: QueuedEvent, b: QueuedEvent): boolean {
  return a.ns < b.ns || (a.ns === b.ns && a.sequence < b.sequence);
}

/** A heap of events. */
export class EventQueue {
  readonly #heap: QueuedEvent[] = [];
  #sequence = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest event. */
  get next(): QueuedEvent | undefined {
    return this.#heap[0];
  }

  /** Queues an event, or moves it when it is queued. */
  arm(event: QueuedEvent, ns: number): void {
    if (event.place >= 0) this.disarm(event);
    event.ns = ns;
    event.sequence = this.#sequence++;
    this.#heap.push(event);
    this.#up(event, this.#heap.length - 1);
  }

  /** How many were armed so far: where the order of later ones goes on. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Empties the queue, for a snapshot to fill it by {@linkcode restore}. */
  restart(sequence: number): void {
    while (this.#heap.length > 0) this.disarm(this.#heap[0]);
    this.#sequence = sequence;
  }

  /** Queues an event as it was queued once. */
  restore(event: QueuedEvent, ns: number, sequence: number): void {
    const next = this.#sequence;
    this.#sequence = sequence;
    this.arm(event, ns);
    this.#sequence = next;
  }

  /** Takes an event out. Nothing happens when it isn't queued. */
  disarm(event: QueuedEvent): void {
    const place = event.place;
    if (place < 0) return;
    event.place = -1;
    const last = this.#heap.pop()!;
    if (last === event) return;
    this.#up(last, place);
    this.#down(last, last.place);
  }

  /** Takes the earliest event out when it is due at `nowNs`. */
  takeDue(nowNs: number): QueuedEvent | undefined {
    const event = this.#heap[0];
    if (event === undefined || event.ns > nowNs) return undefined;
    this.disarm(event);
    return event;
  }

  /** Queued events, in no order. */
  get all(): readonly QueuedEvent[] {
    return this.#heap;
  }

  #up(event: QueuedEvent, from: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      const other = this.#heap[parent];
      if (!before(event, other)) break;
      this.#heap[place] = other;
      other.place = place;
      place = parent;
    }
    this.#heap[place] = event;
    event.place = place;
  }

  #down(event: QueuedEvent, from: number): void {
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && before(this.#heap[child + 1], this.#heap[child])) child++;
      const other = this.#heap[child];
      if (!before(other, event)) break;
      this.#heap[place] = other;
      other.place = place;
      place = child;
    }
    this.#heap[place] = event;
    event.place = place;
  }
}
