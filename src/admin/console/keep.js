import { getText } from "./api.js";
import { h } from "./dom.js";
import { button, code, dialog, save, section } from "./ui.js";

const yamlOf = (yaml) =>
  code("YAML", yaml, button("Download", () => save("formhook.yaml", yaml), { kind: "small" }));

export const keepSection = (keep) => (keep ? section("Keep it", h("p", keep.note), yamlOf(keep.yaml)) : "");

async function showExport() {
  const yaml = await getText("/export");
  await dialog("The configuration to keep", (close) => [
    h("p", "All that was set here. Write it into the gateway's configuration; for secrets it names environment variables."),
    yamlOf(yaml),
    h("div.actions.end", button("Close", () => close())),
  ]);
}

export const banner = (note) => h("p.banner.note.warn", note, " ", button("Show the configuration to keep", showExport, { kind: "small" }));
