import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/shell.css";
import "./style/parts.css";
import { App } from "./app";
import { startDrop } from "./dropped";
import { startKeys } from "./keys";
import { startRouter } from "./router";
import { startTheme } from "./theme";

startTheme();
startRouter();
startKeys();
startDrop();
const page = document.getElementById("page");
if (page) render(<App />, page);
