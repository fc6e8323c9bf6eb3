/** The journal of a machine: what is recorded of it, and how what was recorded comes again. */
import type { SerialHub } from "../host/serial_hub.ts";
import type { SocketHub } from "../host/socket_hub.ts";
import { Journal, ReplayError } from "../snapshot/journal.ts";
import type { OutsideInput } from "../snapshot/journal.ts";
import { writeRegister } from "../arch/register_names.ts";
import type { Domain } from "./domain.ts";
import type { DomainLife } from "./domain_life.ts";
import type { MachineEnvironment } from "./machine_types.ts";
import { ReplayControl } from "./replay_control.ts";
import type { RunLoop } from "./run_loop.ts";

/** Where input goes. */
export interface Inlets {
  readonly serial: SerialHub;
  readonly sockets: SocketHub;
  readonly life: DomainLife;
  readonly loop: RunLoop;
}

/** Makes it, and has the sockets tell it what comes. */
export function machineJournal(environment: MachineEnvironment, inlets: Inlets): Journal {
  const journal = new Journal({
    record: environment.onInput?.bind(environment),
    replay: environment.replay,
    place: () => inlets.loop.place,
    give: (input) => give(input, inlets),
  });
  if (environment.replay?.some(({ at }) => at.halted !== undefined)) {
    const { life, loop } = inlets;
    journal.control = new ReplayControl({
      journal,
      instructions: () => loop.environment.scheduler().instructions,
      setStops: (stops) => life.environment.hardware().engine.setStops?.(stops),
    });
  }
  inlets.sockets.onStamp = (event) => journal.came({ kind: "socket", event });
  return journal;
}

/** Something that was recorded comes again. Reboots are for whoever drives the machine. */
function give(input: OutsideInput, { serial, sockets, life }: Inlets): void {
  if (input.kind === "serial") return serial.input(input.port, input.bytes);
  if (input.kind === "socket") return sockets.inject(input.event);
  const domain = life.named(input.domain);
  if (input.kind === "memory" || input.kind === "register") return write(domain, input);
  if (input.operation === "pause") life.pause(domain);
  else if (input.operation === "unpause") life.unpause(domain);
  else if (input.operation === "destroy") life.destroy(domain);
}

/** Throws a {@linkcode ReplayError} for a place that isn't there. */
function write(domain: Domain, input: OutsideInput & { readonly kind: "memory" | "register" }): void {
  try {
    if (input.kind === "memory") return domain.writeMemory(input.ipa, input.bytes);
    const vcpu = domain.vcpus[input.vcpu];
    if (vcpu === undefined) throw new RangeError(`there is no vCPU ${input.vcpu}`);
    writeRegister(vcpu.state, input.register, BigInt(input.value));
  } catch (error) {
    throw new ReplayError(`the replay isn't the run: in domain ${domain.name}, ${(error as Error).message}`, { cause: error });
  }
}
