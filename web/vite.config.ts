import { defineConfig, type ProxyOptions } from "vite";

/** The daemon that development and preview talk to. */
const daemon = process.env.THAW_DAEMON ?? "http://127.0.0.1:8000";

/** What the daemon sends with every page of the dashboard; `vite preview` sends the same. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
  "font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/** The daemon answers only requests that name it as host and origin. */
const toDaemon: ProxyOptions = {
  target: daemon,
  changeOrigin: true,
  ws: true,
  configure(proxy) {
    proxy.on("proxyReq", (request) => {
      if (request.hasHeader("origin")) request.setHeader("origin", daemon);
    });
    proxy.on("proxyRes", (_answer, _request, response) => {
      // An event stream's head is to arrive before its first event; it is copied right after this.
      queueMicrotask(() => {
        response.flushHeaders();
      });
    });
    proxy.on("proxyReqWs", (request) => {
      request.setHeader("origin", daemon);
    });
  },
};

const proxy = Object.fromEntries(
  ["/v1", "/login", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"].map((path) => [
    path,
    toDaemon,
  ]),
);

export default defineConfig({
  base: "/dashboard/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, sourcemap: false },
  server: { proxy, host: "127.0.0.1" },
  preview: { proxy, host: "127.0.0.1", headers: { "Content-Security-Policy": policy } },
});
