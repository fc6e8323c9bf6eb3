/**
 * The part of `@cliffy/command` that the CLI uses, served by the npm package `commander`.
 * What is here behaves as Cliffy's documentation says; what isn't, fails to compile.
 *
 * @module
 */

export { Command } from "./command.ts";
export type { CommandOptions, CommandResult, DeclaredOption, EnvOptions } from "./command.ts";
export type { Value } from "./definitions.ts";
export { ValidationError } from "./errors.ts";
