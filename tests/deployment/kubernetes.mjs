// Judges Kubernetes resources, YAML on stdin, by what Istio, the Gateway API and Envoy Gateway say of them.
//
// Two judges, as each sees what the other does not: TypeScript refuses fields that a resource does not have, at any
// depth; the schemas refuse values. Each fault is one line on stdout: `KIND NAME: FAULT`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const linters = new URL("../../build/linters/", import.meta.url);
const require = createRequire(linters);
const ts = require("typescript");
const { parseAllDocuments } = require("yaml");

const PACKAGES = {
  "extensions.istio.io": "istio",
  "networking.istio.io": "istio",
  "gateway.networking.k8s.io": "gateway-api",
  "gateway.envoyproxy.io": "envoy-gateway",
};

const faults = [];

const resources = parseAllDocuments(readFileSync(0, "utf8")).map((document) => {
  for (const error of document.errors) {
    faults.push(`YAML: ${error.message.split("\n")[0]}`);
  }
  return document.toJS();
});

const models = resources.map(({ apiVersion, kind }) => {
  const [group, version] = apiVersion.split("/");
  const name = PACKAGES[group];
  if (!name) {
    const known = Object.keys(PACKAGES).join(", ");
    throw new Error(`${apiVersion} ${kind}: this group is not known; known are ${known}`);
  }
  return { module: `@kubernetes-models/${name}/${group}/${version}/${kind}`, kind };
});

// By types: one constant for each resource, in a file that exists for the compiler only.
let source = "";
const starts = models.map(({ module, kind }, index) => {
  const start = source.length;
  const value = JSON.stringify(resources[index], null, 1);
  source += `{ const one: import("${module}").I${kind} = ${value}; void one; }\n`;
  return start;
});
const file = join(linters.pathname, "resources.mts");
const options = {
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  types: [],
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
};
const host = ts.createCompilerHost(options);
const { fileExists, readFile, getSourceFile } = host;
host.fileExists = (path) => path === file || fileExists(path);
host.readFile = (path) => (path === file ? source : readFile(path));
host.getSourceFile = (path, ...rest) =>
  path === file ? ts.createSourceFile(path, source, options.target) : getSourceFile(path, ...rest);
for (const diagnostic of ts.getPreEmitDiagnostics(ts.createProgram([file], options, host))) {
  // Without a place it is about the compiler's own settings.
  const index = starts.findLastIndex((start) => start <= diagnostic.start);
  const said = ts.flattenDiagnosticMessageText(diagnostic.messageText, " ");
  faults.push(`${named(resources[index])}: ${said}`);
}

// By schemas.
for (const [index, { module, kind }] of models.entries()) {
  const path = new URL(`node_modules/${module}.js`, linters);
  const Model = (await import(path))[kind];
  try {
    new Model(resources[index]).validate();
  } catch (error) {
    faults.push(`${named(resources[index])}: ${error.message}`);
  }
}

function named(resource) {
  return resource ? `${resource.kind} ${resource.metadata?.name}` : "the compiler";
}

for (const fault of faults) {
  console.log(fault);
}
