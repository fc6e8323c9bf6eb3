/** The page of `run --web`: asks the run over a WebSocket, in the control socket's language (cli/control/protocol.ts), and shows what it says. */

const POLL_MS = 500;
/** Samples on the timeline. */
const SAMPLES = 120;
const COLOURS = ["#4775b5", "#b9812b", "#4a8f57", "#7d5ba6", "#b3261e", "#2f8f8f", "#888888", "#c2578f"];

const $ = (id) => document.getElementById(id);
const socket = new WebSocket(new URL("socket", location.href.replace(/^http/, "ws")));
const waiting = new Map();
let lastId = 0;

/** Asks; the answer's result, or an error with what the run says. */
function ask(verb, rest = {}) {
  const id = ++lastId;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    socket.send(JSON.stringify({ id, verb, ...rest }));
  });
}

/** An element with attributes, listeners (on…) and children. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

// Consoles: a terminal for each serial port. A character up to U+00FF is a byte.

const terminals = new Map();
const toBytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

function openConsole(port) {
  const screen = make("div", { role: "tabpanel", id: `screen-${port}`, hidden: "" });
  const tab = make("button", { role: "tab", "aria-controls": screen.id, onclick: () => show(port) }, port);
  // Eighty columns of this size are as wide as half the page.
  const terminal = new globalThis.Terminal({ cols: 80, rows: 24, fontSize: 12, scrollback: 10_000, screenReaderMode: true });
  const type = (bytes) => ask("input", { port, bytes }).catch(remark);
  terminal.onData((text) => type(String.fromCharCode(...new TextEncoder().encode(text))));
  terminal.onBinary(type);
  $("tabs").append(tab);
  $("screens").append(screen);
  terminals.set(port, { terminal, tab, screen });
  if (terminals.size === 1 || port === "console") show(port);
  ask("console", { name: port }).catch(remark);
}

function show(port) {
  for (const [name, { terminal, tab, screen }] of terminals) {
    const isShown = name === port;
    screen.hidden = !isShown;
    tab.setAttribute("aria-selected", String(isShown));
    if (!isShown) continue;
    if (terminal.element === undefined) terminal.open(screen);
    terminal.focus();
  }
}

function closeConsole(port) {
  const { terminal, tab, screen } = terminals.get(port);
  terminal.dispose();
  tab.remove();
  screen.remove();
  terminals.delete(port);
}

// Domains.

const remark = (error) => $("remark").textContent = error?.message ?? "";

function row({ name, state, cpuShare, vcpus }) {
  const operate = (verb) => make("button", { onclick: () => ask(verb, { domain: name }).then(() => remark(), remark) }, verb);
  const verbs = state === "paused" ? ["unpause", "reboot", "destroy"] : ["pause", "reboot", "destroy"];
  const cells = [name, state, cpuShare.toFixed(2), vcpus.map(({ does }) => does).join(", ")].map((text) => make("td", {}, text));
  return make("tr", {}, ...cells, make("td", {}, ...verbs.map(operate)));
}

let shownDomains = "";
function showDomains({ board, domains }) {
  $("board").textContent = document.title = board;
  const ports = new Set(domains.flatMap((domain) => domain.ports));
  for (const port of ports) if (!terminals.has(port)) openConsole(port);
  for (const port of [...terminals.keys()]) if (!ports.has(port)) closeConsole(port);
  // A table that is replaced all the time can't be clicked.
  const shown = JSON.stringify(
    domains.map(({ name, state, cpuShare, vcpus }) => [name, state, cpuShare.toFixed(2), vcpus.map(({ does }) => does)]),
  );
  if (shown !== shownDomains) $("domains").replaceChildren(...domains.map(row));
  shownDomains = shown;
}

// Exits: a stacked bar for each sample.

const samples = [];
let before;
const colourOf = new Map();

function showStats({ nowNs, instructions, exits, report }) {
  $("vcpus").textContent = report;
  const passedNs = nowNs - (before?.nowNs ?? nowNs);
  const mips = passedNs > 0 ? (instructions - before.instructions) / (performance.now() - before.at) / 1000 : 0;
  $("time").textContent = `${(nowNs / 1e9).toFixed(3)} s of virtual time, ${Math.round(mips)} MIPS`;
  if (passedNs > 0) {
    const rates = Object.entries(exits).map(([kind, count]) => [kind, (count - (before.exits[kind] ?? 0)) / passedNs * 1e9]);
    samples.push(new Map(rates));
    if (samples.length > SAMPLES) samples.shift();
    drawExits();
  }
  before = { nowNs, instructions, exits, at: performance.now() };
}

function drawExits() {
  const sum = (sample) => [...sample.values()].reduce((total, rate) => total + rate, 0);
  const top = Math.max(1, ...samples.map(sum));
  const width = 600 / SAMPLES;
  const bars = samples.flatMap((sample, n) => {
    let y = 160;
    return [...sample].map(([kind, rate]) => {
      if (!colourOf.has(kind)) colourOf.set(kind, COLOURS[colourOf.size % COLOURS.length]);
      const height = rate / top * 150;
      y -= height;
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [key, value] of Object.entries({ x: n * width, y, width: width * 0.9, height, fill: colourOf.get(kind) })) {
        bar.setAttribute(key, value);
      }
      return bar;
    });
  });
  $("exits").replaceChildren(...bars);
  const latest = samples.at(-1);
  $("kinds").replaceChildren(...[...colourOf].map(([kind, colour]) => {
    const dot = make("span", {}, "■ ");
    dot.style.color = colour;
    return make("li", {}, dot, `${kind} ${Math.round(latest.get(kind) ?? 0).toLocaleString("en")}`);
  }));
}

// The conversation.

socket.onmessage = ({ data }) => {
  for (const line of data.trim().split("\n")) {
    const said = JSON.parse(line);
    if (said.event === "output") terminals.get(said.port)?.terminal.write(toBytes(said.bytes));
    else if (said.event === "lost") terminals.get(said.port)?.terminal.write(`\r\n[${said.count} bytes lost]\r\n`);
    else if (said.ok) waiting.get(said.id)?.resolve(said.result);
    else waiting.get(said.id)?.reject(new Error(said.error));
    waiting.delete(said.id);
  }
};
let poll;
socket.onopen = () => {
  const look = async () => {
    try {
      showDomains(await ask("ps"));
      showStats(await ask("stats"));
    } catch (error) {
      remark(error);
    }
    poll = setTimeout(look, POLL_MS);
  };
  look();
};
socket.onclose = () => {
  clearTimeout(poll);
  $("time").textContent = "the run is over";
};
