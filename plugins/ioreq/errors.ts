/** Errors of device-model operations, by their public names (Xen, public/errno.h). */

/** Numbers as hypercalls return them, negated. */
export const errno = { EPERM: 1, ENOENT: 2, ENOMEM: 12, EFAULT: 14, EEXIST: 17, EINVAL: 22, ENOSPC: 28, EOPNOTSUPP: 95 } as const;

/** A public name. */
export type ErrorName = keyof typeof errno;

/** An operation is refused. */
export class OperationError extends Error {
  /** For whoever compares names. */
  override readonly name = "OperationError";
  /** Made by this plugin. */
  constructor(
    /** Why, as callers are told. */
    readonly code: ErrorName,
    message: string,
  ) {
    super(`${code}: ${message}`);
  }
}
