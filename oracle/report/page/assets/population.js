// Many candidates: latency against what it buys on every device, ranks, knobs, and all of them in a table.

// Of the front of a value and the latency on a device: which members the error does not tell one of them apart from.
const tiesOf = (population, value, device, row) => {
  const place = value.tied[device] ? (value.fronts[device] || []).indexOf(row) : -1;
  return place < 0 ? [] : value.tied[device][place].map((other) => population.names[other]);
};

const tieTip = (population, value, device, row) => {
  const names = tiesOf(population, value, device, row);
  const some = names.slice(0, 3).join(", ");
  return names.length ? [["Tied on the front", names.length > 3 ? `${some} and ${integer(names.length - 3)} more` : some]] : [];
};

const tieStatus = (population, value) =>
  Object.entries(value.fronts)
    .filter(([device]) => value.tied[device])
    .map(([device, rows]) => `${integer(value.tied[device].filter((others) => others.length).length)} of ${integer(rows.length)} on ${device}`)
    .join(", ");

const candidateTip = (population, row, more = []) => {
  const pairs = [];
  for (const [device, column] of Object.entries(population.latency_ms)) {
    pairs.push([device, `${time(column[row])}, rank ${integer(population.ranks[device][row])}`]);
  }
  for (const [name, { column }] of Object.entries(population.values))
    pairs.push([titleOf(name), valued(name, column[row])]);
  for (const [name, { column }] of Object.entries(population.knobs)) pairs.push([name, valued(name, column[row])]);
  return [population.names[row], [...pairs, ...more]];
};

const valueAxis = (name, { column, maximise }) => {
  const text = (value) => valued(name, value).replace(" ", "\u2009");
  const short = (value) =>
    name in UNITS || name in PLAIN ? measure(value, "", 2).replace(" ", "\u2009").trim() : digits(value, 2);
  return {
    values: column,
    title: `${titleOf(name)}${UNITS[name] === "B" ? ", bytes" : ""} (${maximise ? "more" : "less"} is better)`,
    tick: short,
    text,
    maximise,
  };
};

const latencyAxis = (column) => ({
  values: column,
  title: "latency per call (less is better)",
  tick: (value) => time(value, 2).replace(" ", "\u2009"),
  text: (value) => time(value),
  maximise: false,
});

const scatterPanels = (population, valueNow, chosen) => {
  const plots = Object.entries(population.latency_ms).map(([device, column]) => {
    const given = () => {
      const [name, value] = valueNow();
      return {
        label: `${titleOf(name)} against latency on ${device}; arrow keys go along the front`,
        x: latencyAxis(column),
        y: valueAxis(name, value),
        fronts: [{ rows: value.fronts[device] || [] }],
      };
    };
    return [
      deviceTitle(device),
      scatterPlot(
        given,
        population.names,
        (row) => candidateTip(population, row, tieTip(population, valueNow()[1], device, row)),
        chosen,
        "figure",
      ),
    ];
  });
  return {
    node: el(
      "div",
      { class: "panels" },
      plots.map(([title, { node }]) => el("div", { class: "panel" }, el("h4", {}, title), node)),
    ),
    redraw: () => plots.forEach(([, { redraw }]) => redraw()),
  };
};

const populationTable = (population, chosen) => {
  const columns = [
    { key: "name", title: capital(population.noun).replace(/s$/, ""), values: population.names, wide: true },
    ...Object.entries(population.latency_ms).flatMap(([device, values]) => [
      { key: `latency_ms@${device}`, title: "Latency", shown: `${device}, ms`, values },
      { key: `rank@${device}`, title: "Rank", shown: device, values: population.ranks[device] },
      ...(population.roofline_ms[device]
        ? [{ key: `roofline_ms@${device}`, title: "Lower bound", shown: `${device}, ms`, values: population.roofline_ms[device], screen: true }]
        : []),
    ]),
    ...Object.entries(population.values).map(([name, { column }]) => ({
      key: name,
      title: titleOf(name),
      unit: name in PLAIN ? "" : UNITS[name],
      values: column,
      screen: name === "activations" || name === "flops",
    })),
    ...Object.entries(population.knobs).map(([name, { column }]) => ({ key: name, title: name, values: column })),
    ...Object.entries(population.extra).map(([name, values]) => ({ key: name, title: name, values, screen: true })),
  ];
  const noun = population.noun;
  const table = dataTable(capital(noun), columns, noun, {
    one: noun.replace(/s$/, ""),
    many: noun,
    onfilter: (flags) => chosen.set("filter", flags),
  });
  chosen.follow(table.restrict);
  return figure(
    `All ${noun}`,
    "A selection in a figure restricts the table, and its filter selects in the figures.",
    table.node,
  );
};

const populationSection = (population, chosen) => {
  const names = Object.keys(population.values);
  const timed = Object.keys(population.latency_ms).length;
  let name = names[0];
  const valueNow = () => [name, population.values[name]];
  const bestRows = () => [...new Set(Object.values((population.values[name] || { fronts: {} }).fronts).flat())];
  const parts = [];
  const scatter = timed && name ? scatterPanels(population, valueNow, chosen) : null;
  const flips = timed > 1 ? flipFigure(population, () => population.values[name], chosen) : null;
  const knobs = knobFigure(population, bestRows, chosen);
  if (scatter) {
    const ties = el("p", { class: "note" });
    const showTies = () => {
      const status = tieStatus(population, population.values[name]);
      ties.textContent = status && `Members of the front that the stated error of latencies does not tell apart from another: ${status}. Point at one to see from which.`;
    };
    showTies();
    const pick = choice(
      "Latency against",
      names.map((other) => [other, titleOf(other)]),
      name,
      (other) => {
        name = other;
        showTies();
        [scatter, flips, knobs].forEach((drawn) => drawn && drawn.redraw());
      },
    );
    const front = el(
      "button",
      {
        type: "button",
        onclick: () => {
          const rows = new Set(bestRows());
          chosen.set(
            "figure",
            Uint8Array.from({ length: population.names.length }, (_, row) => (rows.has(row) ? 1 : 0)),
          );
        },
      },
      "Select the fronts",
    );
    parts.push(
      figure(
        "Latency against what it buys",
        "Diamonds on the line are the Pareto front: no other is better in one and as good in the other. Drag a rectangle on one device to see the same ones on the others.",
        el(
          "div",
          { class: "tools" },
          names.length > 1 ? pick : null,
          front,
          selectionStatus(chosen, population.names.length, population.noun),
        ),
        scatter.node,
        ties,
      ),
    );
  }
  const shown =
    population.names.length < population.total
      ? `${integer(population.names.length)} of ${integer(population.total)} ${population.noun} are shown: ${population.shown}. Ranks, fronts and flips are those of all.`
      : population.shown;
  return section(
    "population",
    `${integer(population.total)} ${population.noun}`,
    shown,
    parts,
    flips && flips.node,
    knobs && knobs.node,
    populationTable(population, chosen),
  );
};
