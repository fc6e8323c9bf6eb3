/** A WebAssembly emitter: typed expression trees, functions, modules. It knows nothing of Arm. */
export * from "./bytes.ts";
export * from "./code.ts";
export * from "./function.ts";
export * from "./module.ts";
export * from "./ops.ts";
export * from "./value.ts";
