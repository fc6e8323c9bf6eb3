/**
 * A device in a Worker, behind an ioreq server: sends it accesses and events one after the other, lets what it did take effect when it
 * answered, and contains it when it fails.
 *
 * A request is a transaction. What a device writes, raises, arms and prints becomes true together, with the answer and with the state
 * after it; a device that dies in the middle has done nothing but to its disk. So a new one can be given the same request again.
 */
import type { DeferringMmioHandler, Domain, MmioAnswer, Timer, Vcpu } from "../../core/mod.ts";
import type { DeviceStart, RemoteDevice } from "../device/contract.ts";
import { Buffering } from "./buffered.ts";
import type { RemoteDeviceModel } from "./contract.ts";
import type { ForeignFrames } from "./frames.ts";
import { IoreqPage, State } from "./layout.ts";
import { RangeType } from "./server.ts";
import type { Backend } from "./server.ts";
import type { IoreqServers } from "./servers.ts";
import { Area, EventKind } from "./worker/area.ts";
import { Outlets } from "./worker/effects.ts";
import type { Permissions } from "./worker/launch.ts";
import { LinkFailure, RING, StartRefused, STOPPED, WorkerLink } from "./worker/link.ts";
import type { Effects, LinkEvent } from "./worker/link.ts";
import type { WorkerStart } from "./worker/start.ts";
import { StateMirror } from "./worker/state_mirror.ts";

/** What the board says about devices behind IOREQ. */
export interface RunnerOptions {
  /** What its domain gets when a device fails. */
  readonly onFailure: "bus_error" | "pause" | "restart";
  /** Host time that an answer may take, in milliseconds. */
  readonly deadlineMs: number;
  /** Virtual time that an answer may take where other domains run meanwhile. */
  readonly virtualDeadlineNs: number;
  /** `strict`: the board waits; `free`: only the domain does. */
  readonly order: "strict" | "free";
  /** Writes go through the ring where they fit, and nobody waits for them. */
  readonly buffered: boolean;
}

/** What a runner works with. */
export interface RunnerParts {
  readonly request: DeviceStart;
  readonly start: Omit<WorkerStart, "shared" | "state" | "mirror" | "nowNs" | "armed">;
  readonly permissions: Permissions;
  readonly options: RunnerOptions;
  readonly servers: IoreqServers;
  readonly frames: ForeignFrames;
  readonly domain: Domain;
  /** A timer of the runner's own. */
  timer(name: string, callback: () => void): Timer;
  /** A device failed. */
  report(what: string): void;
}

/** Host time that a start may take. */
const START_MS = 20_000;
/** Failures in a row, with no request answered in between, after which nobody tries again. */
const FAILURES = 3;
/** Virtual time between two looks, where other domains run meanwhile. */
const LOOK_NS = 10_000;
/** Host time that such a look may wait. */
const LOOK_MS = 0.05;
/** Virtual time that buffered writes may wait for company. */
const RING_NS = 10_000;

/** A request under way: the slot of a vCPU, or an event. */
type Job = { readonly vcpu: number } | LinkEvent;

/** The device, as its domain sees it. */
export class IoreqRunner implements RemoteDevice, RemoteDeviceModel, Backend {
  readonly windows: Readonly<Record<string, DeferringMmioHandler>>;
  readonly #outlets: Outlets;
  readonly #mirror: StateMirror;
  readonly #initial: unknown;
  readonly #look: Timer;
  readonly #ringDue: Timer;
  #link: WorkerLink | undefined;
  #page!: IoreqPage;
  #server = -1;
  #job: Job | undefined;
  #jobSince = 0;
  readonly #queue: Job[] = [];
  #failures = 0;
  #isOver = false;

  private constructor(private readonly parts: RunnerParts) {
    const { request, start, frames } = parts;
    this.#initial = structuredClone(request.context.state);
    this.#outlets = new Outlets(
      request,
      frames,
      { interrupts: start.interrupts, ports: start.ports, disks: start.disks.map(({ name }) => name) },
      (name) => this.#timerFired(name),
      (port, byte) => this.#submit({ kind: EventKind.SERIAL, a: port, b: 1, bytes: Uint8Array.of(byte) }),
    );
    this.#mirror = new StateMirror(request.context.state as Record<string, unknown>, (why) => this.#say(why));
    this.#look = parts.timer("look", () => this.#lookAgain());
    this.#ringDue = parts.timer("ring", () => this.#submit(RING));
    this.windows = Object.fromEntries(Object.entries(request.windows).map(([name, { at }]) => [name, this.#handler(at)]));
  }

  /** Starts the device. Rejects with an error that says what is wrong with it. */
  static async start(parts: RunnerParts): Promise<IoreqRunner> {
    const runner = new IoreqRunner(parts);
    try {
      const { area, link } = runner.#launch();
      runner.#accept(await link.ready(START_MS));
      runner.#serve(area);
      return runner;
    } catch (error) {
      runner.stopped();
      if (error instanceof StartRefused && error.option !== undefined) parts.request.context.fail(error.option, error.message);
      if (error instanceof StartRefused || error instanceof LinkFailure) {
        throw new Error(`${parts.request.owner} doesn't start behind IOREQ: ${error.message}`);
      }
      throw error;
    }
  }

  get owner(): string {
    return this.parts.request.owner;
  }

  get isAlive(): boolean {
    return this.#link !== undefined;
  }

  get frames(): number {
    return this.parts.frames.count;
  }

  /** Pages of the domain's RAM are not there any more. */
  leave(ipa: number, size: number): void {
    this.parts.frames.leave(ipa, size);
  }

  kill(point = 1): void {
    this.#link?.dieAt(point);
  }

  input(wire: number, level: boolean): void {
    this.#submit({ kind: EventKind.INPUT, a: wire, b: level ? 1 : 0 });
  }

  stopped(): void {
    if (this.#isOver) return;
    if (this.#job !== undefined) this.#finish();
    if (this.#link !== undefined && this.#server >= 0) this.#submit(STOPPED, true);
    this.#isOver = true;
    this.#look.disarm();
    this.#ringDue.disarm();
    this.#link?.close();
    this.#link = undefined;
    if (this.#server >= 0) this.parts.servers.destroy(this.parts.request.owner, this.#server);
    this.#server = -1;
    this.#mirror.settle();
    this.parts.frames.close();
  }

  notify(vcpu: number | "ring"): void {
    if (vcpu !== "ring") this.#submit({ vcpu });
    else if (this.#ringDue.deadlineNs === undefined) this.#ringDue.arm(this.parts.request.context.clock.nowNs + RING_NS);
  }

  holds(vcpu: number): boolean {
    return [this.#job, ...this.#queue].some((job) => job !== undefined && "vcpu" in job && job.vcpu === vcpu);
  }

  lied(why: string): void {
    this.#job = undefined;
    this.#failed(why);
    this.#go();
  }

  #handler(at: number): DeferringMmioHandler {
    const access = (offset: number, size: number, write: boolean, value: bigint, vcpu: Vcpu | undefined): bigint | MmioAnswer =>
      vcpu === undefined ? "bus_error" : this.parts.servers.access(vcpu.index, at + offset, size, write, value) ?? "bus_error";
    return {
      read: (offset, size, vcpu) => access(offset, size, false, 0n, vcpu),
      write(offset, size, value, vcpu) {
        const outcome = access(offset, size, true, value, vcpu);
        return typeof outcome === "bigint" ? undefined : outcome;
      },
    };
  }

  #launch(): { readonly area: Area; readonly link: WorkerLink } {
    const { start, permissions, request } = this.parts;
    const area = new Area();
    const message: WorkerStart = {
      ...start,
      shared: area.shared,
      state: this.#initial,
      mirror: this.#mirror.bytes,
      nowNs: request.context.clock.nowNs,
      armed: this.#outlets.armed,
    };
    const link = new WorkerLink(message, area, permissions, this.#outlets);
    this.#link = link;
    return { area, link };
  }

  /** Its pages are those of the server. */
  #serve(area: Area): void {
    const { servers, request: { owner, windows } } = this.parts;
    const pages = { buffer: area.shared, ...area.pages };
    this.#page = new IoreqPage(area.shared, area.pages.sync);
    if (this.#server >= 0) return servers.get(owner, this.#server).reset(pages);
    this.#server = servers.create({ owner, buffering: Buffering.ATOMIC, backend: this, pages });
    for (const { at, size } of Object.values(windows)) {
      servers.mapRange(owner, this.#server, RangeType.MEMORY, BigInt(at), BigInt(at + size - 1), this.parts.options.buffered);
    }
    servers.setState(owner, this.#server, true);
  }

  /** What a request has done takes effect. Throws a `LinkFailure` when it is none that it may do. */
  #accept({ posts, mirror }: Effects): void {
    this.#outlets.apply(posts);
    this.#mirror.bytes = mirror;
  }

  #timerFired(name: string): void {
    const bytes = new TextEncoder().encode(name);
    this.#submit({ kind: EventKind.TIMER, a: bytes.length, b: 0, bytes });
  }

  /** Begins a request, or queues it behind the one under way. */
  #submit(job: Job, isLast = false): void {
    if (this.#link === undefined || this.#isOver) return;
    if (job !== RING && this.#ringDue.deadlineNs !== undefined) {
      // What was written before comes before.
      this.#ringDue.disarm();
      this.#submit(RING);
    }
    if (this.#job !== undefined) {
      this.#queue.push(job);
      return;
    }
    this.#begin(job);
    this.#go(isLast);
  }

  /** The board waits for what is under way, or the domain does. */
  #go(now = false): void {
    if (this.#job === undefined) return;
    if (this.parts.options.order === "strict" || now) return this.#finish();
    this.parts.domain.pause();
    this.#look.arm(this.#jobSince + LOOK_NS);
  }

  #begin(job: Job): void {
    const link = this.#link!;
    this.#job = job;
    this.#jobSince = this.parts.request.context.clock.nowNs;
    link.begin(this.#jobSince);
    if ("kind" in job) link.send(job);
    else link.ring(job.vcpu);
  }

  #isDone(): boolean {
    const job = this.#job!;
    if ("kind" in job) return this.#link!.eventDone;
    const state = this.#page.state(job.vcpu);
    return state !== State.READY && state !== State.INPROCESS;
  }

  /** Waits for the answer to what is under way, however often it takes a new Worker. */
  #finish(): void {
    while (this.#job !== undefined && this.#link !== undefined) {
      try {
        this.#link.wait(() => this.#isDone(), this.parts.options.deadlineMs);
        this.#complete();
      } catch (error) {
        this.#contain(error);
      }
    }
  }

  /** The answer is there: what was done takes effect, and the next request begins. */
  #complete(): void {
    const job = this.#job!;
    const isAnswer = "kind" in job || this.#page.state(job.vcpu) === State.RESP_READY;
    // Of an answer that is none nothing is taken: the server will see it, and say what is wrong.
    if (isAnswer) {
      this.#accept(this.#link!.effects());
      this.#failures = 0;
      if (job === RING) this.parts.servers.get(this.parts.request.owner, this.#server).ringServed();
    }
    this.#job = undefined;
    const next = this.#queue.shift();
    if (next !== undefined) this.#begin(next);
  }

  /** Where only the domain waits: looks whether the answer has come. */
  #lookAgain(): void {
    const { options, domain, servers } = this.parts;
    const job = this.#job;
    const link = this.#link;
    if (job === undefined || link === undefined) return;
    try {
      const isDone = link.glance(() => this.#isDone(), LOOK_MS);
      if (!isDone) {
        link.check(options.deadlineMs);
        const { nowNs } = this.parts.request.context.clock;
        if (nowNs - this.#jobSince > options.virtualDeadlineNs) {
          throw new LinkFailure(`it didn't answer in ${options.virtualDeadlineNs / 1e6} ms of virtual time`);
        }
        return this.#look.arm(nowNs + LOOK_NS);
      }
      this.#complete();
    } catch (error) {
      this.#contain(error);
    }
    if (this.#job !== undefined) this.#look.arm(this.parts.request.context.clock.nowNs + LOOK_NS);
    else domain.unpause();
    if ("vcpu" in job && this.#job !== job) servers.answered(job.vcpu);
  }

  /** Something threw: a failure of the Worker's, or ours. */
  #contain(error: unknown): void {
    if (!(error instanceof LinkFailure) && !(error instanceof StartRefused)) throw error;
    this.#failed(error.message);
  }

  #say(what: string): void {
    this.parts.report(`${this.parts.request.owner}: ${what}`);
  }

  /** The Worker is of no use any more. */
  #failed(why: string): void {
    const { options, servers, domain, request: { owner } } = this.parts;
    this.#link?.close();
    this.#link = undefined;
    this.#say(why);
    const mayTry = options.onFailure === "restart" && !this.#isOver && ++this.#failures <= FAILURES;
    if (mayTry) return this.#restart();
    this.#job = undefined;
    this.#queue.length = 0;
    if (options.onFailure === "pause") {
      domain.pause();
      this.#say(`${domain.name} is paused`);
    }
    if (this.#server < 0) return;
    const server = servers.get(owner, this.#server);
    server.break(why);
    servers.release(server);
  }

  /** A new Worker goes on from the state of the latest answer, and gets what has none once more. */
  #restart(): void {
    const { servers, request: { owner } } = this.parts;
    const job = this.#job;
    try {
      const { area, link } = this.#launch();
      this.#accept(link.readyNow(START_MS));
      this.#serve(area);
    } catch (error) {
      return this.#contain(error);
    }
    this.#say("a new one goes on where it was");
    this.#job = undefined;
    if (job !== undefined && "kind" in job) this.#begin(job);
    servers.get(owner, this.#server).resend((vcpu) => {
      if (this.#job === undefined) this.#begin({ vcpu });
      else if (!this.#queue.some((other) => "vcpu" in other && other.vcpu === vcpu)) this.#queue.push({ vcpu });
    });
  }
}
