/** Completion scripts for shells, made from the declarations of the commands. */

/** A flag, or a positional argument, that takes a value. */
export interface CompletedValue {
  readonly name: string;
  /** Files complete it. */
  readonly file: boolean;
  /** All that it can be; absent where that isn't known. */
  readonly choices?: readonly string[];
  /** Others may follow it. */
  readonly repeats?: boolean;
}

/** An option of a verb. */
export interface CompletedOption {
  readonly flags: readonly string[];
  readonly description: string;
  /** Absent for a switch. */
  readonly value?: CompletedValue;
  readonly repeats: boolean;
}

/** A verb with all that can follow it. */
export interface CompletedVerb {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  readonly values: readonly CompletedValue[];
}

/** Prints the script of a shell for the program `name`. */
export type ScriptWriter = (name: string, verbs: readonly CompletedVerb[]) => string;

/** The shells that there are scripts for. */
export const shells: Readonly<Record<string, ScriptWriter>> = { bash, zsh, fish };

/** A word for any shell: nothing in it is special. */
const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const sentence = (text: string) => text.split("\n")[0].replace(/\.$/, "");

function bash(name: string, verbs: readonly CompletedVerb[]): string {
  const from = (choices: readonly string[]) => `COMPREPLY=($(compgen -W ${quote(choices.join(" "))} -- "$current")); return`;
  const lines = verbs.flatMap(({ name: verb, options, values }) => {
    const taking = options.filter(({ value }) => value);
    const flags = (chosen: readonly CompletedOption[]) => chosen.flatMap((option) => option.flags).join("|");
    const files = taking.filter(({ value }) => value!.file);
    const anything = taking.filter(({ value }) => !value!.file && !value!.choices);
    const arms = [
      ...files.length > 0 ? [`        ${flags(files)}) return ;;`] : [],
      ...anything.length > 0 ? [`        ${flags(anything)}) compopt +o default 2> /dev/null; return ;;`] : [],
      ...taking.filter(({ value }) => value!.choices).map((option) => `        ${flags([option])}) ${from(option.value!.choices!)} ;;`),
    ];
    const chosen = values.find(({ choices }) => choices);
    return [
      `    ${verb})`,
      ...arms.length > 0 ? ['      case "$previous" in', ...arms, "      esac"] : [],
      `      words=${quote(["-h", "--help", ...options.flatMap((option) => option.flags)].join(" "))}`,
      ...chosen ? [`      [[ $current == -* ]] || { ${from(chosen.choices!)}; }`] : [],
      "      ;;",
    ];
  });
  const names = verbs.map((verb) => verb.name);
  return `# Completions of ${name} for bash: source <(${name} completions bash)
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} verb=\${COMP_WORDS[1]} words=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ${quote([...names, "--help", "--version"].join(" "))} -- "$current"))
    return
  fi
  case " ${names.join(" ")} " in
    *" $verb "*) ;;
    *) verb=run ;; # a board without a verb runs
  esac
  case "$verb" in
${lines.join("\n")}
  esac
  [[ $current == -* ]] && COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${name} ${name}
`;
}

function zsh(name: string, verbs: readonly CompletedVerb[]): string {
  const escape = (text: string) => sentence(text).replace(/[\\[\]:]/g, "\\$&");
  const action = ({ name, file, choices }: CompletedValue) =>
    `:${escape(name)}:${choices ? `(${choices.join(" ")})` : file ? "_files" : " "}`;
  const option = ({ flags, description, value, repeats }: CompletedOption) =>
    flags.map((flag) => {
      const others = flags.filter((other) => other !== flag);
      const head = repeats ? "*" : others.length > 0 ? `(${others.join(" ")})` : "";
      return quote(`${head}${flag}[${escape(description)}]${value ? action(value) : ""}`);
    });
  const cases = verbs.map(({ name: verb, options, values }) => {
    const specs = [
      quote("(-h --help)--help[show the help]"),
      ...options.flatMap(option),
      ...values.map((value, index) => quote(`${value.repeats ? "*" : index + 1}${action(value)}`)),
    ];
    return `    ${verb}) _arguments ${specs.join(" \\\n      ")} ;;`;
  });
  return `#compdef ${name}
# Completions of ${name} for zsh: put this into a file _${name} in a folder of $fpath.
_${name}() {
  local -a verbs
  verbs=(
${verbs.map((verb) => `    ${quote(`${verb.name}:${sentence(verb.description)}`)}`).join("\n")}
  )
  if ((CURRENT == 2)); then
    _describe -t verbs verb verbs
    _files
    return
  fi
  local verb=$words[2]
  if ((\${verbs[(I)$verb:*]})); then
    shift words
    ((CURRENT--))
  else
    verb=run # a board without a verb runs
  fi
  case $verb in
${cases.join("\n")}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function fish(name: string, verbs: readonly CompletedVerb[]): string {
  // In fish's quotes a backslash is special besides the quote.
  const quoted = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;
  const seen = (...names: string[]) => `__fish_seen_subcommand_from ${names.join(" ")}`;
  const takes = ({ file, choices }: CompletedValue) => choices ? ` -x -a ${quoted(choices.join(" "))}` : file ? " -r -F" : " -x";
  const lines = verbs.flatMap(({ name: verb, description, options, values }) => {
    // A board without a verb runs.
    const condition = verb === "run" ? `${seen("run")}; or not ${seen(...verbs.map((other) => other.name))}` : seen(verb);
    const after = `complete -c ${name} -n ${quoted(condition)}`;
    const chosen = values.find(({ choices }) => choices);
    return [
      `complete -c ${name} -n __fish_use_subcommand -a ${verb} -d ${quoted(sentence(description))}`,
      ...options.map(({ flags, description, value }) => {
        const names = flags.map((flag) => flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`).join(" ");
        return `${after} ${names} -d ${quoted(sentence(description))}${value ? takes(value) : ""}`;
      }),
      ...chosen ? [`${after}${takes(chosen).replace(" -x", " -f")}`] : [],
    ];
  });
  return `# Completions of ${name} for fish: ${name} completions fish > ~/.config/fish/completions/${name}.fish\n${lines.join("\n")}\n`;
}
