/** What the verbs of the control socket do to a machine. */
import type { Machine } from "../../core/mod.ts";
import { bytesOf } from "../console/byte_text.ts";
import type { Answer, DomainVerb, PsResult, Request, StatsResult } from "./protocol.ts";

/** The client that asks. */
export interface Asker {
  /** It wants a port's output from now on. */
  attach(port: string): void;
}

/** Does one client's requests. */
export class ControlCommands {
  constructor(readonly machine: Machine, readonly asker: Asker) {}

  /** Never throws: what can't be is an answer. */
  async run(request: Request): Promise<Answer> {
    const { id } = request;
    try {
      return { id, ok: true, result: await this.#result(request) };
    } catch (error) {
      return { id, ok: false, error: (error as Error).message };
    }
  }

  async #result(request: Request): Promise<unknown> {
    const { machine } = this;
    switch (request.verb) {
      case "ps":
        return { board: machine.board.name, nowNs: machine.nowNs, domains: machine.status() } satisfies PsResult;
      case "stats":
        return {
          nowNs: machine.nowNs,
          instructions: machine.stats.instructions,
          exits: Object.fromEntries(machine.stats.exits),
          report: machine.describe(),
        } satisfies StatsResult;
      case "console":
        return this.#console(request.name);
      case "input":
        machine.serialInput(request.port, bytesOf(request.bytes));
        return request.bytes.length;
      default:
        return `${await this.#operate(request.verb, request.domain)} at ${(machine.nowNs / 1e9).toFixed(3)} s`;
    }
  }

  async #operate(verb: DomainVerb, name: string): Promise<string> {
    const { machine } = this;
    const domain = machine.domains.find((candidate) => candidate.name === name);
    if (domain === undefined) throw new Error(`there is no domain ${name}; there is ${this.#names}`);
    switch (verb) {
      case "pause":
        if (!machine.pause(name)) throw new Error(`${name} ${domain.outcome ? "has ended" : "is paused already"}`);
        return `${name} paused`;
      case "unpause":
        if (!machine.unpause(name)) throw new Error(`${name} isn't paused`);
        return `${name} unpaused`;
      case "reboot":
        await machine.reboot(name);
        return `${name} rebooted`;
      case "destroy":
        machine.destroyDomain(domain);
        return `${name} destroyed`;
    }
  }

  #console(name: string): string {
    const { machine } = this;
    const own = machine.status().find((domain) => domain.name === name)?.ports ?? [];
    const port = machine.serialPorts.includes(name) ? name : own.length === 1 ? own[0] : undefined;
    if (port === undefined) {
      throw new Error(
        own.length > 1
          ? `${name} has several serial ports: ${own.join(", ")}; name one`
          : `there is no serial port ${name}, and no domain with one; there is ${machine.serialPorts.join(", ") || "none"}`,
      );
    }
    this.asker.attach(port);
    return port;
  }

  get #names(): string {
    return this.machine.domains.map(({ name }) => name).join(", ") || "none";
  }
}
