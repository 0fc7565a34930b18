// Signals by name. A guest is Linux, wherever the SDK runs: other systems have other numbers.

/** Linux's signals on x86-64 (signal(7)). */
export const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGWINCH: 28,
} as const;

/** A signal: its name, or its number, 1 to 64. */
export type Signal = keyof typeof SIGNALS | number;

/** A signal's number. */
export function signalNumber(signal: Signal): number {
  return typeof signal === "number" ? signal : SIGNALS[signal];
}
