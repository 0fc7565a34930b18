import { useState } from "preact/hooks";
import { call } from "../../api/client";
import type { ImageInfo } from "../../api/types";
import { bytes, shortDigest } from "../../lib/format";
import { useResource } from "../../state/resource";
import { Age } from "../../ui/age";
import { Empty } from "../../ui/empty";
import { FormDialog } from "../../ui/form-dialog";
import { Page } from "../../ui/page";
import { ResourceView } from "../../ui/resource-view";
import { AddImageDialog } from "./add-image-dialog";
import { Table } from "../../ui/table";

interface RemoveProps {
  image: ImageInfo;
  name: string;
  onDone: () => void;
  onClose: () => void;
}

function RemoveImageDialog({ image, name, onDone, onClose }: RemoveProps) {
  return (
    <FormDialog
      title={`Remove the image ${name}?`}
      submit="Remove"
      danger
      onClose={onClose}
      onSubmit={async (_, signal) => {
        await call("delete", "/v1/images/{name}", { path: { name }, signal });
        onDone();
      }}
    >
      <p>
        {image.names.length > 1
          ? "It keeps its other names; only this one is taken away."
          : "The image is lost with its last name. One that a template or a VM uses is not removed."}
      </p>
    </FormDialog>
  );
}

/** All images. */
export function ImagesPage() {
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<{ image: ImageInfo; name: string } | null>(null);
  const list = useResource((signal) => call("get", "/v1/images", { signal }), []);
  return (
    <Page
      title="Images"
      actions={
        <button
          type="button"
          class="primary"
          onClick={() => {
            setAdding(true);
          }}
        >
          Add an image
        </button>
      }
    >
      <ResourceView of={list}>
        {({ images }) =>
          images.length === 0 ? (
            <Empty command="thaw init">There are no images. Add one here, or make the image python:</Empty>
          ) : (
            <Table
              columns={[
                "Image",
                ["Source", "wide-only"],
                ["Runs", "wide-only"],
                ["Size", "end"],
                ["Age", "wide-only"],
              ]}
              actions
            >
              {images.map((image) => {
                const name = image.names[0] ?? image.digest;
                const { entrypoint, cmd } = image.config;
                return (
                  <tr key={image.digest}>
                    <th scope="row">
                      {image.names.length > 0 ? image.names.join(", ") : "(no name)"}
                      <div class="quiet mono" title={image.digest}>
                        {shortDigest(image.digest)} {image.fs}
                      </div>
                    </th>
                    <td class="wide-only">{image.source}</td>
                    <td class="wide-only mono">{[...entrypoint, ...cmd].join(" ")}</td>
                    <td class="end number">{bytes(image.size_bytes)}</td>
                    <td class="wide-only number">
                      <Age at={image.created_at * 1000} />
                    </td>
                    <td class="end">
                      <button
                        type="button"
                        aria-label={`Remove ${name}`}
                        onClick={() => {
                          setRemoving({ image, name });
                        }}
                      >
                        Remove…
                      </button>
                    </td>
                  </tr>
                );
              })}
            </Table>
          )
        }
      </ResourceView>
      {adding && (
        <AddImageDialog
          onDone={list.reload}
          onClose={() => {
            setAdding(false);
          }}
        />
      )}
      {removing && (
        <RemoveImageDialog
          {...removing}
          onDone={list.reload}
          onClose={() => {
            setRemoving(null);
          }}
        />
      )}
    </Page>
  );
}
