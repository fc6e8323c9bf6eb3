/**
 * Fault status codes of a translation.
 * Arm ARM DDI 0487, "ESR_ELx", "ISS encoding for an exception from a Data Abort", field DFSC.
 */

/** A walk found no fault. Not a status code. */
export const OK = -1;
/** An MPU has no region for the address, but a background region. Not a status code. */
export const BACKGROUND = -2;
/** The level is added to the next five. */
export const ADDRESS_SIZE = 0b000000;
export const TRANSLATION = 0b000100;
export const ACCESS_FLAG = 0b001000;
export const PERMISSION = 0b001100;
export const EXTERNAL_ON_WALK = 0b010100;
/** No level. */
export const ALIGNMENT = 0b100001;

/** True when HPFAR_EL2 holds the IPA. Arm ARM DDI 0487, pseudocode "IPAValid". */
export function ipaIsValid(status: number, s1ptw: boolean): boolean {
  if (status > 0b001111) return false;
  return s1ptw || status < PERMISSION;
}
