/** xterm.js as this page uses it. It is loaded when a terminal is first shown. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal, type ITheme } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { tellProblem } from "../../../state/notices";
import type { TerminalSize } from "./session";

/** More lines are forgotten. */
const SCROLLBACK_LINES = 5000;

const LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#1b2530",
  cursor: "#0b6e8f",
  selectionBackground: "#b9dbe7",
  white: "#6b7785",
  brightWhite: "#1b2530",
  yellow: "#8a5a00",
  brightYellow: "#7a5200",
  green: "#1a7a43",
  brightGreen: "#15683a",
  cyan: "#0b6e8f",
  brightCyan: "#095a75",
};
const DARK: ITheme = {
  background: "#0c1116",
  foreground: "#dde5ec",
  cursor: "#58b8d8",
  selectionBackground: "#2d5566",
};

export interface Screen {
  size: () => TerminalSize;
  write: (bytes: Uint8Array) => void;
  /** Writes a line of the page's own. */
  say: (line: string) => void;
  focus: () => void;
  dispose: () => void;
}

interface Listener {
  onTyped: (text: string) => void;
  onResized: (size: TerminalSize) => void;
}

/** Ctrl-Shift-C copies and Ctrl-Shift-V is the browser's own paste, as in other terminals. */
function copyKeys(terminal: Terminal): void {
  terminal.attachCustomKeyEventHandler((event) => {
    const copy = event.type === "keydown" && event.ctrlKey && event.shiftKey && event.code === "KeyC";
    if (!copy || !terminal.hasSelection()) return true;
    event.preventDefault();
    navigator.clipboard.writeText(terminal.getSelection()).catch(tellProblem);
    return false;
  });
}

/** Opens a terminal in an element and keeps it as large as that. */
export function openScreen(element: HTMLElement, listener: Listener): Screen {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const theme = () => (dark.matches ? DARK : LIGHT);
  const terminal = new Terminal({
    scrollback: SCROLLBACK_LINES,
    fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
    fontSize: 13,
    cursorBlink: true,
    screenReaderMode: false,
    theme: theme(),
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  fit.fit();
  copyKeys(terminal);
  terminal.onData(listener.onTyped);
  terminal.onResize(({ cols, rows }) => {
    listener.onResized({ cols, rows });
  });
  const observer = new ResizeObserver(() => {
    fit.fit();
  });
  observer.observe(element);
  const recolour = () => {
    terminal.options.theme = theme();
  };
  dark.addEventListener("change", recolour);
  return {
    size: () => ({ cols: terminal.cols, rows: terminal.rows }),
    write: (bytes) => {
      terminal.write(bytes);
    },
    say: (line) => {
      terminal.write(`\r\n\x1b[2m${line}\x1b[0m\r\n`);
    },
    focus: () => {
      terminal.focus();
    },
    dispose: () => {
      observer.disconnect();
      dark.removeEventListener("change", recolour);
      terminal.dispose();
    },
  };
}
