/** Packets that read and write memory. */
import type { Debugger, Vcpu } from "../../core/mod.ts";
import { bytesOf, textOf } from "../console/byte_text.ts";
import { fromHex, number, PACKET_LIMIT, toHex } from "./packets.ts";

/** Whose memory: by the translation of a vCPU, or a guest's physical addresses. */
export interface MemoryView {
  readonly debug: Debugger;
  readonly vcpu: Vcpu | undefined;
  readonly isPhysical: boolean;
}

/** Nothing is there: EFAULT. */
const NOTHING = "E14";

/** As much of it as is there. Devices aren't memory: to read them would change them. */
export function readMemory({ debug, vcpu, isPhysical }: MemoryView, address: bigint, size: number): Uint8Array {
  if (vcpu === undefined) return new Uint8Array();
  return isPhysical ? debug.readPhysical(vcpu.domain, address, size) : debug.readVirtual(vcpu, address, size);
}

/** Tells how many bytes were written. */
export function writeMemory({ debug, vcpu, isPhysical }: MemoryView, address: bigint, bytes: Uint8Array): number {
  if (vcpu === undefined) return 0;
  return isPhysical ? debug.writePhysical(vcpu.domain, address, bytes) : debug.writeVirtual(vcpu, address, bytes);
}

/** Answers `m`, `x`, `M` and `X`. */
export function memoryAnswer(view: MemoryView, what: string, rest: string): string {
  const colon = rest.indexOf(":");
  const [at, length] = (colon < 0 ? rest : rest.slice(0, colon)).split(",");
  const address = number(at), size = number(length);
  if (address === undefined || size === undefined || size > BigInt(PACKET_LIMIT)) return "E22";
  if (what === "m" || what === "x") {
    const wanted = Math.min(Number(size), PACKET_LIMIT / 2 - 8);
    const bytes = readMemory(view, address, wanted);
    if (bytes.length === 0 && wanted > 0) return NOTHING;
    return what === "m" ? toHex(bytes) : `b${textOf(bytes)}`;
  }
  if (colon < 0) return "E22";
  const data = rest.slice(colon + 1);
  const bytes = what === "M" ? fromHex(data) : bytesOf(data);
  if (bytes === undefined || bytes.length !== Number(size)) return "E22";
  return writeMemory(view, address, bytes) === bytes.length ? "OK" : NOTHING;
}
