/** Queries: what this server can do, and what there is. GDB manual, "General Query Packets". */
import type { Vcpu } from "../../core/mod.ts";
import { memoryMap, targetDescription, threadList } from "./description.ts";
import { number, PACKET_LIMIT, toHex } from "./packets.ts";
import type { SymbolFiles } from "./files.ts";
import type { Register } from "./registers.ts";
import type { Threads } from "./threads.ts";

/** What queries are answered from. */
export interface QueryView {
  readonly threads: Threads;
  readonly registers: readonly Register[];
  readonly files: SymbolFiles;
  readonly attached: ReadonlySet<number>;
  readonly vcpu: Vcpu | undefined;
  isPhysical: boolean;
}

const SUPPORTED = [
  `PacketSize=${PACKET_LIMIT.toString(16)}`,
  "QStartNoAckMode+",
  "qXfer:features:read+",
  "qXfer:threads:read+",
  "qXfer:memory-map:read+",
  "qXfer:exec-file:read+",
  "multiprocess+",
  "swbreak+",
  "hwbreak+",
  "vContSupported+",
  "ReverseStep+",
  "ReverseContinue+",
].join(";");

/** Answers a query; the empty answer to what isn't known. */
export function query(view: QueryView, body: string): string {
  const { threads, vcpu } = view;
  const [name] = /^[A-Za-z.]+(:[A-Za-z.-]+)?/.exec(body) ?? [""];
  if (body.startsWith("qSupported")) return SUPPORTED;
  if (body.startsWith("qThreadExtraInfo,")) {
    const id = threads.parse(body.slice("qThreadExtraInfo,".length));
    const found = id && threads.find(id);
    return found ? toHex(new TextEncoder().encode(`${found.domain.name}: ${doing(found)}`)) : "E01";
  }
  if (name.startsWith("qXfer:")) return transfer(view, body);
  switch (name) {
    case "qC":
      return vcpu ? `QC${threads.nameOf(vcpu)}` : "E01";
    case "qfThreadInfo":
      return `m${shown(view).map((one) => threads.nameOf(one)).join(",")}`;
    case "qsThreadInfo":
      return "l";
    case "qAttached":
      return "1";
    // QEMU's names for the physical view, which scripts know.
    case "qqemu.Supported":
      return "PhyMemMode";
    case "qqemu.PhyMemMode":
      return view.isPhysical ? "1" : "0";
    case "Qqemu.PhyMemMode":
      if (!/:[01]$/.test(body)) return "E22";
      view.isPhysical = body.endsWith("1");
      return "OK";
    default:
      return body === "qSymbol::" ? "OK" : "";
  }
}

/** What GDB sees: the threads of processes that it has attached to; all of them, if it knows no processes. */
function shown({ threads, attached }: QueryView): Vcpu[] {
  const processes = [...threads.processes].filter(([id]) => !threads.multiprocess || attached.has(id));
  return processes.flatMap(([, { vcpus }]) => vcpus);
}

function doing({ runStates, isHeld, power }: Vcpu): string {
  if (power === "off") return "powered down";
  return isHeld
    ? "held"
    : { running: "runs", runnable: "waits for a CPU", blocked: "waits for an interrupt", offline: "powered down" }[runStates.state];
}

/** `qXfer:object:read:annex:offset,length`. */
function transfer(view: QueryView, body: string): string {
  const [, object, operation, annex, range] = body.split(":");
  if (operation !== "read") return "";
  const [offset, length] = (range ?? "").split(",").map((text) => Number(number(text) ?? -1n));
  if (!(offset >= 0 && length >= 0)) return "E22";
  const text = documentOf(view, object, annex);
  if (text === undefined) return "E00";
  if (text === "") return "";
  const part = text.slice(offset, offset + Math.min(length, PACKET_LIMIT / 2));
  return `${offset + part.length < text.length ? "m" : "l"}${part}`;
}

function documentOf(view: QueryView, object: string, annex: string): string | undefined {
  const { threads, registers, files } = view;
  if (object === "exec-file") return files.nameOf(Number(number(annex) ?? [...view.attached][0] ?? 1));
  if (object === "features") return annex === "target.xml" ? targetDescription(registers) : undefined;
  if (object === "threads") return threadList(shown(view).map((vcpu) => ({ id: threads.nameOf(vcpu), vcpu, does: doing(vcpu) })));
  return object === "memory-map" ? memoryMap : "";
}
