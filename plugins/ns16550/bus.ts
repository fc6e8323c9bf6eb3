/** The chip's eight registers on a bus: one byte each, `2^shift` bytes apart. */
import type { DeviceWindow } from "../device/contract.ts";
import { REGISTERS } from "./registers.ts";
import type { Uart16550 } from "./uart16550.ts";

/**
 * Serves the registers. The chip sits on the low byte lane of a register's stride; with a stride of 1 a wide access touches as
 * many registers as it has bytes, as on a bus that splits it. Other bytes read as zero.
 */
export function registerWindow(uart: Uart16550, shift: number): DeviceWindow {
  const stride = 1 << shift;
  const each = (offset: number, size: number, visit: (register: number, lane: number) => void) => {
    for (let lane = 0; lane < size; lane++) {
      const at = offset + lane;
      if (at % stride === 0 && at / stride < REGISTERS) visit(at / stride, lane);
    }
  };
  return {
    read(offset, size) {
      let value = 0n;
      each(offset, size, (register, lane) => value |= BigInt(uart.read(register)) << BigInt(8 * lane));
      return value;
    },
    write(offset, size, value) {
      each(offset, size, (register, lane) => uart.write(register, Number(value >> BigInt(8 * lane) & 0xffn)));
    },
  };
}
