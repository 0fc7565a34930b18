import { render } from "preact";
import { App } from "./app";
import { startLive } from "./state/live";
import { loadSession } from "./state/session";
import "./style/base.css";
import "./style/controls.css";
import "./style/frame.css";
import "./style/parts.css";
import "./style/pages.css";

const root = document.getElementById("app");
if (!root) throw new Error("index.html has no #app");
void loadSession();
startLive();
render(<App />, root);
