/** The world as it was recorded: the same events at the same virtual times, and nobody hears what goes out. */
import type { RecordedSocketEvent, SocketDriver } from "./host_sockets.ts";

/** Repeats what `MachineEnvironment.onSocketEvent` was told. The board, its seed and all other input must be the same. */
export function replaySockets(recording: readonly RecordedSocketEvent[], ports: readonly number[] = []): SocketDriver {
  return {
    live: false,
    open(post) {
      for (const { event, atNs } of recording) post(event, atNs);
      const left = [...ports];
      return { do() {}, listen: () => left.shift() ?? 0, datagrams() {}, close() {} };
    },
  };
}
