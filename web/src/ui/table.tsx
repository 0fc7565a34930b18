import type { ComponentChildren } from "preact";

/** A column's title; with it, whether the column stands at the end of its cell, or is left out on narrow screens. */
export type Column = string | readonly [title: string, place: "end" | "wide-only" | "end wide-only"];

interface Props {
  columns: readonly Column[];
  /** Whether there is a last column with what can be done to a row. */
  actions?: boolean;
  /** The rows. */
  children: ComponentChildren;
}

/** A table: its head, and rows that are given. */
export function Table({ columns, actions, children }: Props) {
  return (
    <div class="table">
      <table>
        <thead>
          <tr>
            {columns.map((column) => {
              const [title, place] = typeof column === "string" ? [column, undefined] : column;
              return (
                <th key={title} class={place}>
                  {title}
                </th>
              );
            })}
            {actions && (
              <th>
                <span class="hidden">Actions</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
