/** The thread of one physical CPU: it makes the CPU, and runs vCPUs on it when the hypervisor says so. */
import type { PhysicalMemory } from "../../../../core/mod.ts";
import { Cpu } from "../cpu.ts";
import { attentionAt, attentionWords, Control } from "./control.ts";
import { deviceCalls } from "./device_calls.ts";
import { Server } from "./server.ts";
import { SharedNeighbours } from "./shared_neighbours.ts";
import { codePagesFor, type WorkerReply, type WorkerStart } from "./start.ts";

const WASM_PAGE = 65536;

/** The memory as the CPU needs it: what it reserves lies in the area that it was given. */
function memoryOf({ memory, banks, touched, area }: WorkerStart): PhysicalMemory {
  let next = area;
  const reserve = (bytes: number): number => {
    const at = next;
    next += Math.ceil(bytes / WASM_PAGE) * WASM_PAGE;
    return at;
  };
  // Frames and their owners are the hypervisor's; the CPU asks for nothing else.
  const own = new Uint8Array(memory.buffer, touched.byteOffset, touched.length);
  return { wasm: memory, banks, touched: own, reserve } as unknown as PhysicalMemory;
}

function serve(start: WorkerStart): void {
  const { cpu: index, cpus, model, counterFrequencyHz, smc, tier1 } = start;
  const control = new Control(cpus, attentionWords(start.memory.buffer, start.attention, cpus), start.control);
  const frames = new Int32Array(start.frames);
  const neighbours = new SharedNeighbours(control, index, frames, start.lock, attentionAt(start.attention, index));
  const server = new Server(control, index, neighbours);
  const cpu: Cpu = new Cpu({
    memory: memoryOf(start),
    bus: { claim() {}, find: () => undefined },
    model,
    counterFrequencyHz,
    smc,
    tier1,
    uncompiled: (text) => reply({ kind: "uncompiled", text: text() }),
    codePages: codePagesFor(cpus),
    nowNs: () => server.nowNs(),
    sendEvent: () => control.sendEvent(cpu.vcpu),
    neighbours,
    devices: deviceCalls(control, index, {
      left: () => server.left(),
      entered: () => server.entered(),
      get own() {
        return cpu.gicv;
      },
    }),
  });
  neighbours.cpu = cpu;
  reply({ kind: "ready" });
  server.serve(cpu);
}

function reply(message: WorkerReply): void {
  self.postMessage(message);
}

/** A Worker's own scope, as far as it is used here. */
declare const self: {
  onmessage: (event: { readonly data: WorkerStart }) => void;
  postMessage(message: WorkerReply): void;
  close(): void;
};

self.onmessage = ({ data }) => {
  try {
    serve(data);
  } catch (error) {
    reply({ kind: "failed", text: error instanceof Error ? error.stack ?? error.message : String(error) });
  }
  self.close();
};
