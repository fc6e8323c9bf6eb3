/** True Random Number Generator Firmware Interface 1.0 (Arm DEN 0098). */
import type { SmcccCall, SmcccResult } from "../../core/mod.ts";
import { uuidWords } from "./uuid.ts";

/** Function identifiers: 50 to 53 of Standard Secure Services, the last also as SMC64. */
export const Trng = {
  VERSION: 0x8400_0050,
  FEATURES: 0x8400_0051,
  GET_UUID: 0x8400_0052,
  RND32: 0x8400_0053,
  RND64: 0xc400_0053,
} as const;

/** Interface 1.0. */
const VERSION_1_0 = 0x0001_0000n;
const SUCCESS = 0n;
const NOT_SUPPORTED = BigInt.asUintN(64, -1n);
const INVALID_PARAMETERS = BigInt.asUintN(64, -2n);
/** Tells one source of entropy from another: ours is the board's seed. */
const UUID = uuidWords("e3a41f0c-52b7-4d18-8c6e-0b9f7a2d4158");

const known: ReadonlySet<bigint> = new Set(Object.values(Trng).map(BigInt));

/** Answers a call; `random` gives so many bytes. */
export function trngCall({ functionId, args }: SmcccCall, random: (bytes: number) => Uint8Array): SmcccResult {
  switch (functionId) {
    case Trng.VERSION:
      return VERSION_1_0;
    case Trng.FEATURES:
      return known.has(args[0]) ? SUCCESS : NOT_SUPPORTED;
    case Trng.GET_UUID:
      return UUID;
    case Trng.RND32:
      return entropy(args[0], 32, random);
    case Trng.RND64:
      return entropy(args[0], 64, random);
    default:
      return NOT_SUPPORTED;
  }
}

/** X3 holds the lowest bits, X1 the highest; what wasn't asked for is zero. "TRNG_RND", "Return". */
function entropy(bits: bigint, width: 32 | 64, random: (bytes: number) => Uint8Array): readonly bigint[] {
  if (bits < 1n || bits > 3n * BigInt(width)) return [INVALID_PARAMETERS, 0n, 0n, 0n];
  const count = Number(bits);
  let value = 0n;
  for (const byte of random(Math.ceil(count / 8))) value = value << 8n | BigInt(byte);
  value = BigInt.asUintN(count, value);
  const word = (n: number) => BigInt.asUintN(width, value >> BigInt(n * width));
  return [SUCCESS, word(2), word(1), word(0)];
}
