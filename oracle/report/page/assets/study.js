// A study: what became of its trials, how its front grew, what its limits turned away.

const outcomeTiles = (study) =>
  el(
    "dl",
    { class: "tiles" },
    Object.entries(study.outcomes).map(([outcome, count]) => tile(capital(outcome), integer(count))),
    tile("On the front", integer(study.front.length), `of ${integer(study.trials.length)} feasible and evaluated`),
  );

const objectiveAxis = ({ name, maximise, column }) => {
  if (name.startsWith("latency_ms@"))
    return {
      ...latencyAxis(column),
      title: `latency on ${name.slice(11)} (${maximise ? "more" : "less"} is better)`,
      maximise,
    };
  return valueAxis(name, { column, maximise });
};

const growth = (study, population, chosen) => {
  const [first, second] = study.objectives;
  const tip = (row) => candidateTip(population, row);
  const improving = study.progress
    .map((value, row) => row)
    .filter((row) => row === 0 || study.progress[row] !== study.progress[row - 1]);
  if (!second) {
    const order = { values: study.trials, title: "trial", tick: integer, text: integer, maximise: false };
    const given = () => ({
      label: `${first.name} of every trial; arrow keys go along the improvements`,
      x: order,
      y: objectiveAxis(first),
      fronts: [{ rows: improving }],
    });
    return figure(
      "The best so far, trial by trial",
      "Every mark is a feasible trial; the line is the best value until then.",
      el(
        "div",
        { class: "panels" },
        el("div", { class: "panel" }, scatterPlot(given, population.names, tip, chosen, "figure").node),
      ),
    );
  }
  const loose = study.objectives.length > 2;
  const given = () => ({
    label: `${first.name} against ${second.name}; arrow keys go along the front`,
    x: objectiveAxis(second),
    y: objectiveAxis(first),
    fronts: study.snapshots.map(([, rows], index) => ({ rows, loose, early: index < study.snapshots.length - 1 })),
  });
  const after = study.snapshots.map(([count]) => integer(count));
  return figure(
    "How the front grew",
    loose
      ? "Diamonds are on the front of all objectives, of which two are drawn."
      : `The front after ${after.slice(0, -1).join(", ")} evaluated trials (dashed) and after all ${after.at(-1)} (solid).`,
    el(
      "div",
      { class: "panels" },
      el(
        "div",
        { class: "panel" },
        el("h4", {}, `${titleOf(first.name)} and ${titleOf(second.name).toLowerCase()}`),
        scatterPlot(given, population.names, tip, chosen, "figure").node,
      ),
      study.progress.length
        ? el(
            "div",
            { class: "panel" },
            el("h4", {}, "Share of the last front\u2019s hypervolume"),
            progressLine(study, improving),
          )
        : null,
    ),
  );
};

const progressLine = (study, improving) => {
  const box = el("div", { class: "plot" });
  const count = study.progress.length;
  responsive(box, (width) => {
    const height = Math.round(Math.min(430, Math.max(320, width * 0.7)));
    const frame = { left: 58, right: width - 12, top: 34, bottom: height - 46 };
    const [x, y] = [linearScale(0, count, frame.left, frame.right), linearScale(0, 1, frame.bottom, frame.top)];
    const steps = improving.map((row) => [x(row + 1), y(study.progress[row])]);
    const root = chartSvg(
      width,
      height,
      `Share of the last front's hypervolume after each of ${count} evaluated trials`,
    );
    root.setAttribute("role", "img");
    root.append(
      axes(frame, x, y, {
        tickX: integer,
        tickY: (share) => `${Math.round(100 * share)} %`,
        x: "evaluated trials",
        y: "",
      }),
      svg("path", {
        class: "front",
        d: `M${x(0)} ${y(0)}${steps.map(([a, b]) => `H${a}V${b}`).join("")}H${frame.right}`,
      }),
    );
    box.replaceChildren(root);
  });
  return box;
};

const rejections = (study) => {
  if (!study.constraints.length) return null;
  const most = Math.max(...study.constraints.map(({ judged }) => judged));
  const [only, shared] = [facts.palette.series[1], facts.palette.series[4]];
  return figure(
    "What the limits turned away",
    "Trials that broke each limit, of those that it judged: those that broke no other limit, and those that broke others too.",
    swatches("Trials", [
      { name: "this limit alone", kind: "alone", color: only },
      { name: "others too", kind: "memory", color: shared },
    ]),
    el(
      "div",
      { class: "panels" },
      el(
        "div",
        { class: "panel" },
        barList(
          study.constraints.map(({ name, judged, broken, alone }) => ({
            name,
            value: integer(broken),
            note: judged ? `${percent(broken / judged)} of ${integer(judged)}` : "",
            parts: [
              { kind: "alone", color: only, value: alone, text: `${integer(alone)} broke this limit alone` },
              {
                kind: "memory",
                color: shared,
                value: broken - alone,
                text: `${integer(broken - alone)} broke others too`,
              },
            ],
          })),
          most,
        ),
      ),
    ),
  );
};

const coordinates = (study, population, chosen) => {
  const columns = [
    ...Object.entries(population.knobs)
      .filter(([, { labels }]) => labels.length > 1)
      .map(([name, { column }]) => ({ name, values: column, better: "" })),
    ...study.objectives.map(({ name, maximise, column }) => ({
      name,
      values: column,
      better: maximise ? "more" : "less",
    })),
  ];
  if (columns.length < 2) return null;
  return figure(
    "Knobs and objectives together",
    "Each line is a trial, those on the front in colour; an arrow says where an objective is better. Drag along axes to select the lines that pass there, click an axis to free it.",
    parallelPlot(columns, study.front, population.names, (row) => candidateTip(population, row), chosen),
  );
};

const studySection = (study, population, chosen) => {
  const goals = study.objectives
    .map(({ name, maximise }) => `${maximise ? "maximise" : "minimise"} ${name}`)
    .join(", ");
  return section(
    "study",
    "Study",
    `${capital(goals)}. ${study.sampler}`,
    outcomeTiles(study),
    study.trials.length
      ? [growth(study, population, chosen), coordinates(study, population, chosen)]
      : el("p", { class: "note" }, "No feasible trial has been evaluated yet."),
    rejections(study),
  );
};
