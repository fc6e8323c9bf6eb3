/** Whether text is coloured. */

/** On a terminal, or where FORCE_COLOR asks for it (a CI service's log); never where NO_COLOR is set. */
export function hasColor(stream: { isTerminal(): boolean }): boolean {
  if (Deno.noColor) return false;
  const forced = Deno.env.get("FORCE_COLOR") ?? "";
  return stream.isTerminal() || forced !== "" && forced !== "0";
}
