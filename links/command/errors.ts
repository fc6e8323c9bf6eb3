/** The error that a wrong command line gives. */

/** A wrong command line. Outside `throwErrors`, the command prints it below its usage and exits with {@linkcode exitCode}. */
export class ValidationError extends Error {
  /** 2 unless said otherwise. */
  readonly exitCode: number;

  constructor(message: string, { exitCode }: { exitCode?: number } = {}) {
    super(message);
    this.name = "ValidationError";
    this.exitCode = exitCode ?? 2;
  }
}
