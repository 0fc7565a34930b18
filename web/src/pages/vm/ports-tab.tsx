import { useState } from "preact/hooks";

/** Opens what a server in the VM serves. */
export function PortsTab({ id }: { id: string }) {
  const [port, setPort] = useState("8080");
  const number = Number(port);
  const valid = Number.isInteger(number) && number >= 1 && number <= 65535;
  const address = `/v1/vms/${encodeURIComponent(id)}/ports/${port}/`;
  return (
    <div class="card">
      <p>
        A server in the VM is reached through Thaw; it may listen on the VM's loopback only. Its pages are
        kept in a sandbox: they can't act as you on this server.
      </p>
      <div class="bar">
        <label for="port">Port</label>
        <input
          id="port"
          type="number"
          min={1}
          max={65535}
          value={port}
          onInput={(event) => {
            setPort(event.currentTarget.value);
          }}
        />
        {valid ? (
          <a class="button" href={address} target="_blank" rel="noopener noreferrer">
            Open in a new tab
          </a>
        ) : (
          <span class="quiet">1 to 65535</span>
        )}
      </div>
      <p class="quiet">
        For other protocols, from a terminal:{" "}
        <code>
          thaw vm forward {id} 5433:{valid ? port : "5432"}
        </code>
      </p>
    </div>
  );
}
