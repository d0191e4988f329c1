// Put the page together: a section for each subject that the facts have.

const facts = JSON.parse(document.getElementById("facts").textContent);

const sections = () => {
  const chosen = facts.population ? selection(facts.population.names.length) : null;
  return [
    facts.study ? ["study", "Study", () => studySection(facts.study, facts.population, chosen)] : null,
    facts.population
      ? ["population", capital(facts.population.noun), () => populationSection(facts.population, chosen)]
      : null,
    facts.networks.length ? ["network", facts.networks.length > 1 ? "One by one" : "Costs", networkSection] : null,
    ["run", "About these numbers", runSection],
  ].filter(Boolean);
};

const start = () => {
  const shown = sections();
  document.getElementById("main").replaceChildren(
    el(
      "header",
      {},
      el("h1", {}, facts.title),
      facts.subtitle ? el("p", {}, facts.subtitle) : null,
      el(
        "nav",
        { "aria-label": "On this page" },
        shown.map(([id, title]) => el("a", { href: `#${id}` }, title)),
      ),
    ),
    ...shown.map(([, , draw]) => draw()),
  );
  // on paper nothing unfolds
  addEventListener("beforeprint", () =>
    document.querySelectorAll("details").forEach((node) => {
      node.open = true;
    }),
  );
  document.documentElement.dataset.ready = "true";
};

start();
