/** CPU time read at two moments, as a share of one CPU. */

export interface CpuSample {
  atMs: number;
  cpuUs: number;
}

/** How many CPUs were busy between two samples; 0 where there are not two, or time went backwards. */
export function cpuShare(before: CpuSample | null, now: CpuSample | null): number {
  if (!before || !now) return 0;
  const elapsedUs = (now.atMs - before.atMs) * 1000;
  return elapsedUs <= 0 ? 0 : Math.max(0, (now.cpuUs - before.cpuUs) / elapsedUs);
}
