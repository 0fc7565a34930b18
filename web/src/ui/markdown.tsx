import { Fragment } from "preact";
import { useMemo } from "preact/hooks";
import { parseMarkdown, type Block } from "../lib/markdown/blocks";
import type { Inline } from "../lib/markdown/inline";

function Inside({ parts }: { parts: readonly Inline[] }) {
  return (
    <>
      {parts.map((part, index) => (
        <InlineView key={index} part={part} />
      ))}
    </>
  );
}

function InlineView({ part }: { part: Inline }) {
  switch (part.kind) {
    case "text":
      return <>{part.text}</>;
    case "code":
      return <code>{part.text}</code>;
    case "strong":
      return (
        <strong>
          <Inside parts={part.inside} />
        </strong>
      );
    case "em":
      return (
        <em>
          <Inside parts={part.inside} />
        </em>
      );
    case "link":
      return (
        <a href={part.href} target="_blank" rel="noopener noreferrer">
          <Inside parts={part.inside} />
        </a>
      );
  }
}

const HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"] as const;

function BlockView({ block }: { block: Block }) {
  switch (block.kind) {
    case "heading": {
      const Heading = HEADINGS[block.level - 1] ?? "h6";
      return (
        <Heading>
          <Inside parts={block.inside} />
        </Heading>
      );
    }
    case "paragraph":
      return (
        <p>
          <Inside parts={block.inside} />
        </p>
      );
    case "code":
      return <pre>{block.text}</pre>;
    case "rule":
      return <hr />;
    case "quote":
      return (
        <blockquote>
          <Blocks blocks={block.inside} />
        </blockquote>
      );
    case "list": {
      const List = block.ordered ? "ol" : "ul";
      return (
        <List>
          {block.items.map((item, index) => (
            <li key={index}>
              <Blocks blocks={item} />
            </li>
          ))}
        </List>
      );
    }
    case "table":
      return (
        <table>
          <thead>
            <tr>
              {block.head.map((cell, index) => (
                <th key={index}>
                  <Inside parts={cell} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {block.rows.map((row, index) => (
              <tr key={index}>
                {row.map((cell, column) => (
                  <td key={column}>
                    <Inside parts={cell} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      );
  }
}

function Blocks({ blocks }: { blocks: readonly Block[] }) {
  return (
    <>
      {blocks.map((block, index) => (
        <Fragment key={index}>
          <BlockView block={block} />
        </Fragment>
      ))}
    </>
  );
}

/** A document of somebody else's: it becomes elements of these kinds and no others, so it can't do anything. */
export function Markdown({ source }: { source: string }) {
  const blocks = useMemo(() => parseMarkdown(source), [source]);
  return <Blocks blocks={blocks} />;
}
