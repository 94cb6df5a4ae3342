// What axe-core finds wrong with the page, a line for each element.
const done = arguments[arguments.length - 1];
const line = ({ id, help }, { html, any, all, none }) => {
  const why = [...any, ...all, ...none].map(({ message }) => message).join("; ");
  return `${id}: ${help}: ${html}: ${why}`;
};
axe.run(document, { resultTypes: ["violations"] }).then(
  ({ violations }) => done(violations.flatMap((rule) => rule.nodes.map((node) => line(rule, node)))),
  (error) => done([String(error)]),
);
