/** Pools with the templates that they are of. */
import { call } from "../../api/client";
import type { PoolInfo, TemplateInfo } from "../../api/types";

export interface NamedPool extends PoolInfo {
  /** Null where it was removed in between. */
  of: TemplateInfo | null;
}

/** The API tells no events of pools. */
export const POOL_SAMPLE_MS = 3000;

export async function listPools(signal: AbortSignal): Promise<NamedPool[]> {
  const [{ pools }, { templates }] = await Promise.all([
    call("get", "/v1/pools", { signal }),
    call("get", "/v1/templates", { signal }),
  ]);
  return pools.map((pool) => ({ ...pool, of: templates.find(({ id }) => id === pool.template) ?? null }));
}

/** How people know a template: by its image, else by its id. */
export function templateTitle(template: TemplateInfo | null, id: string): string {
  return template?.image_names[0] ?? id;
}
