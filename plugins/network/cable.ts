/** A cable: what goes in at one end comes out at the other, at once. */
import type { CableEnd, Frame, FrameReceiver } from "./link.ts";

class End implements CableEnd {
  receiver: FrameReceiver | undefined;
  far!: End;

  attach(receiver: FrameReceiver): void {
    this.receiver = receiver;
  }

  send(frame: Frame): boolean {
    return this.far.receiver?.receive(frame) ?? false;
  }

  ready(): void {
    this.far.receiver?.ready?.();
  }

  unplug(): void {
    this.receiver = undefined;
    this.far.receiver = undefined;
  }
}

/** Both ends of a new one. */
export function cable(): readonly [CableEnd, CableEnd] {
  const [near, far] = [new End(), new End()];
  near.far = far;
  far.far = near;
  return [near, far];
}
