// Lists that come by pages.

interface Page {
  nextCursor?: string | null;
}

/** Every page, asked for when it is read. */
export async function* pages<P extends Page>(
  ask: (cursor: string | undefined) => Promise<P>,
): AsyncGenerator<P> {
  let cursor: string | undefined;
  do {
    const page = await ask(cursor);
    yield page;
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}
