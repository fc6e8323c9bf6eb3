/**
 * One GDB that is connected: its packets, answered. GDB manual, "Remote Protocol", "Packets". All-stop mode: while the guests run, the only
 * thing to say is Ctrl-C. A packet that isn't known gets the empty answer, as the protocol wants it.
 */
import type { Debugger, Domain, DomainStop, Halt, Resume, StopReason, Vcpu } from "../../core/mod.ts";
import { SymbolFiles } from "./files.ts";
import type { Arrival, History } from "./history.ts";
import { memoryAnswer } from "./memory.ts";
import { monitor } from "./monitor.ts";
import { number, packet, PacketReader } from "./packets.ts";
import { query } from "./queries.ts";
import { type Register, registersOf, registerText, registerValue } from "./registers.ts";
import { type ThreadName, Threads } from "./threads.ts";

/** Breakpoints and watchpoints that one GDB may have. */
const MAX_STOPS = 1000;
/** Bytes that one of them may watch. */
const MAX_WATCHED = 0x10_0000n;
/** What Z0 to Z4 mean. */
const STOP_KINDS = ["execute", "execute", "write", "read", "access"] as const;
const SIGINT = "02", SIGTRAP = "05", SIGABRT = "06";

/** What is around a session. */
export interface SessionHost {
  /** The machine, which going back replaces. */
  readonly history: History;
  send(bytes: Uint8Array): void;
  /** The machine may run again: whoever drives it looks. */
  wake(): void;
  /** Ends the run. */
  quit(): void;
}

/** A connection's state, and its answers. */
export class Session {
  readonly threads: Threads;
  readonly registers: readonly Register[];
  readonly files: SymbolFiles;
  /** Addresses are the guest's physical ones. */
  isPhysical = false;
  /** The guests run, and GDB waits to hear why they stopped. */
  isRunning = false;
  /** Process IDs of domains that GDB has attached to. */
  readonly attached = new Set<number>();
  #general: ThreadName = { process: 0, thread: 0 };
  readonly #reader = new PacketReader();
  #latest: Uint8Array | undefined;
  #acknowledges = true;
  #isGoingBack = false;
  #isGone = false;
  #tellsBreakpoints = false;
  readonly #stops = new Map<string, { readonly stop: DomainStop; readonly isHardware: boolean }>();
  /** Crashed domains that GDB was shown. */
  readonly #seen = new Set<string>();

  constructor(readonly host: SessionHost) {
    const domains = () => host.history.machine.domains;
    this.threads = new Threads({
      get domains(): readonly Domain[] {
        return domains();
      },
    });
    this.registers = registersOf(this.debug);
    this.files = new SymbolFiles(this.threads, () => this.debug.position);
    this.debug.stop();
    const first = this.debug.halt?.vcpu ?? this.threads.find(this.#general);
    this.attached.add(first ? this.threads.processOf(first.domain) : 1);
    if (first) this.#general = { process: this.threads.processOf(first.domain), thread: first.index + 1 };
  }

  /** Bytes from GDB. */
  receive(bytes: Uint8Array): void {
    for (const incoming of this.#reader.push(bytes)) {
      if (incoming.kind === "packet") {
        if (this.#acknowledges) this.#send("+");
        const answer = this.#answer(incoming.body);
        if (answer !== undefined) this.reply(answer);
      } else if (incoming.kind === "bad") {
        if (this.#acknowledges) this.#send("-");
      } else if (incoming.kind === "again") {
        if (this.#acknowledges && this.#latest) this.host.send(this.#latest);
      } else if (this.#isGoingBack) {
        this.host.history.cancelled = true;
      } else if (this.isRunning) {
        const latest = this.debug.latest;
        const vcpu = latest && this.isAttached(latest) ? latest : this.vcpu;
        this.debug.stop(vcpu);
        this.#tellHalt({ kind: "asked", vcpu });
      }
    }
  }

  /** Sends a packet. */
  reply(body: string): void {
    this.#latest = packet(body);
    this.host.send(this.#latest);
  }

  #send(text: string): void {
    this.host.send(new TextEncoder().encode(text));
  }

  get debug(): Debugger {
    return this.host.history.machine.debugger;
  }

  /** The vCPU that packets speak of. */
  get vcpu(): Vcpu | undefined {
    return this.threads.find(this.#general);
  }

  isAttached({ domain }: Vcpu): boolean {
    return this.attached.has(this.threads.processOf(domain));
  }

  /** After a run: tells GDB what it waits for, if that happened. True: the machine's end has to wait, because GDB wants to look at it. */
  look(reason: StopReason | undefined): boolean {
    if (!this.isRunning) return reason?.kind === "crash";
    const { halt } = this.debug;
    if (halt) {
      this.#tellHalt(halt);
      return false;
    }
    for (const [process, domain] of this.threads.processes) {
      const { outcome } = domain;
      if (outcome === undefined || outcome.kind === "reboot" || !this.attached.has(process)) continue;
      if (outcome.kind === "crash" && !this.#seen.has(domain.name)) {
        this.#seen.add(domain.name);
        this.debug.stop(this.debug.latest);
        this.#stopped(SIGABRT, this.debug.latest ?? domain.vcpus[0]);
        return true;
      }
      this.attached.delete(process);
      if (reason === undefined) this.debug.stop();
      this.isRunning = false;
      const id = this.threads.multiprocess ? `;process:${process.toString(16)}` : "";
      if (outcome.kind === "crash") this.reply(`X${SIGABRT}${id}`);
      else this.reply(`W${((outcome.code ?? 0) & 0xff).toString(16).padStart(2, "0")}${id}`);
      return false;
    }
    return false;
  }

  #tellHalt(halt: Halt): void {
    if (halt.kind === "asked") return this.#stopped(SIGINT, halt.vcpu);
    let why = "";
    if (halt.kind === "watchpoint") {
      const name = { write: "watch", read: "rwatch", access: "awatch", execute: "awatch" }[halt.stop.on];
      why = `${name}:${halt.address.toString(16)};`;
    } else if (halt.kind === "breakpoint" && this.#tellsBreakpoints) {
      const isHardware = [...this.#stops.values()].some(({ stop, isHardware }) => stop === halt.stop && isHardware);
      why = isHardware ? "hwbreak:;" : "swbreak:;";
    }
    this.#stopped(SIGTRAP, halt.vcpu, why);
  }

  #stopped(signal: string, vcpu: Vcpu | undefined, why = ""): void {
    this.isRunning = false;
    this.reply(this.#stopReply(signal, vcpu, why));
  }

  #stopReply(signal: string, vcpu = this.vcpu, why = ""): string {
    if (vcpu === undefined) return `S${signal}`;
    this.#general = { process: this.threads.processOf(vcpu.domain), thread: vcpu.index + 1 };
    return `T${signal}${why}thread:${this.threads.nameOf(vcpu)};core:${vcpu.index.toString(16)};`;
  }

  #answer(body: string): string | undefined {
    try {
      return this.#dispatch(body);
    } catch (error) {
      if (error instanceof RangeError) return "E22";
      throw error;
    }
  }

  #dispatch(body: string): string | undefined {
    const rest = body.slice(1);
    switch (body[0]) {
      case "?":
        return this.#stopReply(SIGTRAP);
      case "!":
        return "OK";
      case "H":
        return this.#select(rest);
      case "T": {
        const name = this.threads.parse(rest);
        return name && this.threads.find(name) ? "OK" : "E01";
      }
      case "G":
      case "P":
        this.host.history.changed();
        return this.#registers(body[0], rest);
      case "g":
      case "p":
        return this.#registers(body[0], rest);
      case "M":
      case "X":
        this.host.history.changed();
        return memoryAnswer(this, body[0], rest);
      case "m":
      case "x":
        return memoryAnswer(this, body[0], rest);
      case "Z":
      case "z":
        return this.#stop(body[0] === "Z", rest);
      case "c":
      case "s":
        return this.#resume(body[0] === "s" ? { step: this.vcpu } : {}, rest);
      case "b":
        return rest === "s" || rest === "c" ? this.#goBack(rest === "s") : "";
      case "v":
        return this.#verbose(rest);
      case "D":
        return this.#detach(rest);
      case "k":
        this.host.quit();
        return undefined;
      case "q":
      case "Q":
        return this.#query(body);
      default:
        return "";
    }
  }

  #query(body: string): string {
    if (body === "QStartNoAckMode") {
      this.#acknowledges = false;
      return "OK";
    }
    if (body.startsWith("qSupported")) {
      const features = body.slice("qSupported:".length).split(";");
      this.threads.multiprocess = features.includes("multiprocess+");
      this.#tellsBreakpoints = features.includes("swbreak+");
    }
    if (body.startsWith("qRcmd,")) return monitor(this, body.slice("qRcmd,".length));
    return query(this, body);
  }

  /** `H`: c and g name the same thread here. */
  #select(rest: string): string {
    const name = this.threads.parse(rest.slice(1));
    if (name === undefined || this.threads.find(name) === undefined) return "E01";
    // What a step is for comes with vCont.
    if (rest[0] === "g") this.#general = name.thread > 0 || this.#general.process !== name.process ? name : this.#general;
    return "OK";
  }

  #registers(what: string, rest: string): string {
    const { vcpu } = this;
    if (vcpu === undefined) return "E01";
    const general = this.registers.filter(({ feature }) => feature !== "system");
    if (what === "g") return general.map((register) => registerText(register.read(vcpu), register.bits)).join("");
    if (what === "G") {
      let at = 0;
      for (const register of general) {
        const value = registerValue(rest.slice(at, at += register.bits / 4), register.bits);
        if (value === undefined) return "E22";
        if (value !== register.read(vcpu)) register.write(this.debug, vcpu, value);
      }
      return "OK";
    }
    const [index, text] = rest.split("=");
    const register = this.registers[Number(number(index) ?? -1n)];
    if (register === undefined) return "E01";
    if (what === "p") return registerText(register.read(vcpu), register.bits);
    const value = registerValue(text ?? "", register.bits);
    if (value === undefined) return "E22";
    register.write(this.debug, vcpu, value);
    return "OK";
  }

  /** `Z` and `z`: of the process that is selected. */
  #stop(isNew: boolean, rest: string): string {
    const [type, at, length] = rest.split(";")[0].split(",");
    const on = STOP_KINDS[Number(type)];
    const address = number(at), size = number(length);
    const domain = this.vcpu?.domain.name;
    if (on === undefined) return "";
    if (address === undefined || size === undefined || size > MAX_WATCHED) return "E22";
    const space = this.isPhysical ? "physical" : "virtual";
    const key = [type, at, length, domain, space].join();
    if (isNew && this.#stops.size >= MAX_STOPS) return "E28";
    if (isNew) {
      const stop = { on, space, address, size: on === "execute" ? 4 : Math.max(1, Number(size)), domain } as const;
      this.#stops.set(key, { stop, isHardware: type === "1" });
    } else this.#stops.delete(key);
    this.debug.setStops([...this.#stops.values()].map(({ stop }) => stop));
    return "OK";
  }

  #resume(how: Resume, at = ""): string | undefined {
    const { vcpu } = this;
    const address = number(at);
    if (address !== undefined && vcpu) vcpu.state.pc = address;
    this.isRunning = true;
    this.host.history.resumed();
    this.debug.resume(how);
    this.host.wake();
    return undefined;
  }

  #verbose(body: string): string | undefined {
    if (body === "Cont?") return "vCont;c;C;s;S;t;r";
    if (body.startsWith("Cont;")) return this.#resume(this.#actions(body.slice(5).split(";")));
    if (body.startsWith("File:")) return this.files.answer(body);
    if (body.startsWith("Attach;")) {
      const process = Number(number(body.slice(7)) ?? 0n);
      const domain = this.threads.processes.get(process);
      if (domain === undefined) return "E01";
      this.attached.add(process);
      this.#isGone = false;
      this.debug.stop();
      return this.#stopReply(SIGTRAP, domain.vcpus[0]);
    }
    if (body.startsWith("Kill;")) {
      const process = Number(number(body.slice(5)) ?? 0n);
      const domain = this.threads.processes.get(process);
      if (domain === undefined) return "E01";
      this.attached.delete(process);
      if (this.threads.processes.size > 1) domain.end({ kind: "power-off" });
      else this.host.quit();
      return "OK";
    }
    return "";
  }

  /** The first action that names a vCPU is its own. One vCPU steps; all others go on as they would: the guests must not see a debugger. */
  #actions(actions: readonly string[]): Resume {
    for (const action of actions) {
      const [what, thread] = action.split(":");
      const name = thread === undefined ? undefined : this.threads.parse(thread);
      if (!/^[sSr]/.test(what)) continue;
      const preferred = this.vcpu;
      const step = name === undefined || (preferred && this.threads.fits(name, preferred)) ? preferred : this.threads.find(name);
      if (what[0] !== "r") return { step };
      const [from, to] = what.slice(1).split(",").map(number);
      return { step, within: from === undefined || to === undefined ? undefined : [from, to] };
    }
    return {};
  }

  /** `bs` and `bc`. */
  #goBack(isStep: boolean): string | undefined {
    const { vcpu, host: { history } } = this;
    if (vcpu === undefined) return "E01";
    const stops = [...this.#stops.values()].map(({ stop }) => stop);
    this.#isGoingBack = true;
    history.cancelled = false;
    const way = isStep ? history.stepBack(vcpu) : history.runBack(stops);
    void way.catch((error) => {
      history.say(`no way back: ${error.message}`);
      return { kind: "begin", vcpu: this.vcpu } as const;
    }).then((arrival) => this.#arrived(arrival));
    return undefined;
  }

  #arrived({ kind, vcpu, stop, address }: Arrival): void {
    this.#isGoingBack = false;
    if (this.#isGone) return this.leave();
    this.debug.setStops([...this.#stops.values()].map(({ stop }) => stop));
    if (this.host.history.cancelled) return this.#tellHalt({ kind: "asked", vcpu });
    if (kind === "begin") return this.#stopped(SIGTRAP, vcpu, "replaylog:begin;");
    if (kind === "there" || vcpu === undefined || stop === undefined) return this.#stopped(SIGTRAP, vcpu);
    this.#tellHalt(kind === "breakpoint" ? { kind, vcpu, stop } : { kind: "watchpoint", vcpu, stop, address: address ?? 0n });
  }

  /** `D` or `D;process`. */
  #detach(rest: string): string {
    const process = Number(number(rest.slice(1)) ?? 0n);
    const gone = process === 0 ? undefined : this.threads.processes.get(process);
    if (process !== 0 && gone === undefined) return "E01";
    for (const [key, { stop }] of this.#stops) if (gone === undefined || stop.domain === gone.name) this.#stops.delete(key);
    if (process === 0) this.attached.clear();
    else this.attached.delete(process);
    this.debug.setStops([...this.#stops.values()].map(({ stop }) => stop));
    // It may attach again.
    if (this.attached.size === 0) this.leave();
    return "OK";
  }

  /** GDB is gone, or was told so: the guests go on without it. */
  leave(): void {
    this.#isGone = true;
    if (this.#isGoingBack) return void (this.host.history.cancelled = true);
    this.attached.clear();
    this.#stops.clear();
    this.isRunning = false;
    this.debug.detach();
    this.host.wake();
  }
}
