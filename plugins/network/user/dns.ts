/** A name server: guests' questions, asked again of the host's. Nothing of the guest's message but the name and type goes out. */
import type { HostSockets } from "../../../core/mod.ts";
import { buildAnswer, parseQuestion } from "./dns_message.ts";
import type { Output } from "./output.ts";

export const DNS_PORT = 53;
/** Questions without an answer; more get none. */
const MOST_QUESTIONS = 64;

/** Answers by UDP. */
export class Dns {
  #asked = 0;

  constructor(private readonly output: Output, private readonly sockets: HostSockets) {}

  /** A message from a guest; the answer comes when it comes. */
  ask(guest: number, port: number, server: number, message: Uint8Array): void {
    const { output, sockets } = this;
    const question = parseQuestion(message);
    if (question === undefined || this.#asked >= MOST_QUESTIONS) return;
    const reply = (resolution: Parameters<typeof buildAnswer>[1]) =>
      output.datagram(guest, port, server, DNS_PORT, buildAnswer(question, resolution));
    if (output.plan.restrict) return reply({ kind: "refused" });
    if (question.type === undefined) return reply({ kind: "not-implemented" });
    // There is no IPv6 here: a name with such addresses only would lead nowhere.
    if (question.type === "AAAA") return reply({ kind: "none" });
    this.#asked++;
    sockets.resolve(question.name, question.type, output.plan.nameServer, (resolution) => {
      this.#asked--;
      reply(resolution);
    });
  }
}
