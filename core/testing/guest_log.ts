/** What a guest under test has printed and been told since its boot: enough to look for texts, and to write a recording. */
import type { JournalEntry, RunPlace } from "../snapshot/journal.ts";
import { OutputHashes, recordedSockets, recordingLine } from "../snapshot/recording.ts";
import type { RecordingHead } from "../snapshot/recording.ts";
import type { MachineEnvironment } from "../machine/machine_types.ts";
import { ConsoleText } from "./console_text.ts";

/** A serial port. */
export interface PortLog {
  readonly decoder: ConsoleText;
  /** All that came out of it. */
  text: string;
  /** How much of it was expected already. */
  read: number;
}

/** Of one guest. */
export class GuestLog {
  readonly #ports = new Map<string, PortLog>();
  #entries: JournalEntry[] = [];
  #output = new OutputHashes();
  /** Ports that sockets got from the host. */
  #hostPorts: number[] = [];

  /** What it is of. */
  constructor(readonly head: RecordingHead) {}

  /** By name; of one that hasn't said anything too. */
  port(name: string): PortLog {
    let port = this.#ports.get(name);
    if (port === undefined) this.#ports.set(name, port = { decoder: new ConsoleText(), text: "", read: 0 });
    return port;
  }

  /** Each port that said anything. */
  get ports(): ReadonlyMap<string, PortLog> {
    return this.#ports;
  }

  /** `given`, listened to. */
  environment(given: Partial<MachineEnvironment>): Pick<MachineEnvironment, "onSerial" | "onInput" | "sockets" | "expectsInput"> {
    return {
      onSerial: (name, bytes) => {
        this.#output.add(name, bytes);
        const port = this.port(name);
        port.text += port.decoder.take(bytes);
        given.onSerial?.(name, bytes);
      },
      onInput: (entry) => {
        this.#entries.push(entry);
        given.onInput?.(entry);
      },
      sockets: given.sockets ?? recordedSockets(this.#hostPorts),
      expectsInput: true,
    };
  }

  /** One that goes on by itself. */
  fork(): GuestLog {
    const log = new GuestLog(this.head);
    for (const [name, { decoder, text, read }] of this.#ports) log.#ports.set(name, { decoder: decoder.copy(), text, read });
    log.#entries = [...this.#entries];
    log.#output = this.#output.copy();
    log.#hostPorts = [...this.#hostPorts];
    return log;
  }

  /** The run so far, for `replay`. */
  recording(place: RunPlace): string {
    const end = { place, output: this.#output.hex, ports: this.#hostPorts };
    return [this.head, ...this.#entries, { end }].map(recordingLine).join("");
  }
}
