/** Plugs a device's cables in when its domain boots: by then every network is there, whatever the order of the manifest. */
import { nearest } from "../../core/mod.ts";
import type { DomainContext, PluginUse, ResourceContext, ResourceFinding } from "../../core/mod.ts";
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

/** A cable that a device asks for. */
export interface CableRequest {
  /** The option that names it, for errors. */
  readonly option: string;
  /** A segment of the board's switch; absent: the domain's own network. */
  readonly segment?: string;
}

type Requests = Readonly<Record<string, CableRequest>>;

/** What keeps cables from being plugged in, seen without running anything. */
export function cableFindings(requests: Requests, { board, domain }: ResourceContext): ResourceFinding[] {
  const offers = (uses: readonly PluginUse[], name: string) =>
    uses.filter(({ plugin }) => plugin.provides?.some((key) => key.name === name));
  return Object.values(requests).flatMap(({ segment }): ResourceFinding[] => {
    if (segment === undefined) {
      const own = offers([...board.plugins, ...domain?.plugins ?? []], UserNetwork.name);
      return own.length > 0
        ? []
        : [{ title: "the device has no network", help: "add - use: user_network, or name a segment: switch: lan" }];
    }
    const [found] = offers(board.plugins, NetworkSwitch.name);
    if (found === undefined) return [{ title: "the board has no switch", help: "add - use: network_switch to the board's plugins" }];
    const { segments } = found.options as { readonly segments?: readonly string[] };
    if (segments === undefined || segments.includes(segment)) return [];
    const close = nearest(segment, segments);
    return [{
      title: `the switch has no segment ${JSON.stringify(segment)}; there is ${segments.join(", ")}`,
      ...close === undefined ? {} : { help: `did you mean ${close}?` },
    }];
  });
}

/** The cables that a device asks for, by name; unplugged when its domain goes. */
export function networkCables<O>(
  requests: Requests,
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
