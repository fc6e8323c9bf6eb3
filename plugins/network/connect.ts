/** Plugs a device's cables in when its domain boots: by then every network is there, whatever the order of the manifest. */
import type { DomainContext } from "../../core/mod.ts";
import { NetworkSwitch, UserNetwork } from "./link.ts";
import type { CableEnd, Frame, FrameReceiver, Network } from "./link.ts";

/** A cable that isn't plugged in yet. */
class LooseEnd implements CableEnd {
  #receiver: FrameReceiver | undefined;
  #end: CableEnd | undefined;

  plug(end: CableEnd): void {
    this.#end = end;
    if (this.#receiver !== undefined) end.attach(this.#receiver);
  }

  attach(receiver: FrameReceiver): void {
    this.#receiver = receiver;
    this.#end?.attach(receiver);
  }

  send(frame: Frame): boolean {
    return this.#end?.send(frame) ?? false;
  }

  ready(): void {
    this.#end?.ready();
  }

  unplug(): void {
    this.#end?.unplug();
    this.#end = undefined;
  }
}

/** The cables that a device asks for, by name; unplugged when its domain goes. */
export function networkCables<O>(
  requests: Readonly<Record<string, { readonly option: string; readonly segment?: string }>>,
  context: DomainContext<O, unknown>,
): Map<string, CableEnd> {
  const cables = new Map<string, CableEnd>();
  for (const [name, { option, segment }] of Object.entries(requests)) {
    const end = new LooseEnd();
    cables.set(name, end);
    context.onStop(() => end.unplug());
    context.onBoot(() => {
      try {
        end.plug(network(context, segment).plug(context.domain.name));
      } catch (error) {
        context.fail(option, error instanceof Error ? error.message : String(error));
      }
    });
  }
  return cables;
}

function network<O>({ find }: DomainContext<O, unknown>, segment: string | undefined): Network {
  if (segment === undefined) {
    const own = find(UserNetwork);
    if (own === undefined) {
      throw new Error("the domain has no network of its own: add - use: user_network, or name a segment of the board's switch");
    }
    return own;
  }
  const board = find(NetworkSwitch);
  if (board === undefined) throw new Error("the board has no switch: add - use: network_switch");
  return board.segment(segment);
}
