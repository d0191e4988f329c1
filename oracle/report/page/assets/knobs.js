// How each knob is distributed: among all candidates, and among the best or the chosen ones.

// The share of some candidates that each class has.
const shares = (knob, rows) => {
  const counts = Array(knob.labels.length).fill(0);
  let sum = 0;
  for (const row of rows) {
    if (knob.classes[row] === null) continue;
    counts[knob.classes[row]] += 1;
    sum += 1;
  }
  return counts.map((count) => count / (sum || 1));
};

const knobChart = (name, knob, all, rows, chosen, width) => {
  const { labels, ends } = knob;
  const some = shares(knob, rows);
  const height = 116;
  const [left, right, top, bottom] = [2, width - 2, 8, height - 20];
  const step = (right - left) / labels.length;
  const most = Math.max(...all, ...some, 1e-9);
  const y = linearScale(0, most, bottom, top);
  const root = chartSvg(width, height, `${name}: ${labels.length} classes; arrow keys go from one to the next`);
  const parts = labels.map((label, index) => {
    const x = left + index * step;
    const said = [
      ["of all", percent(all[index])],
      [chosen ? "of the selected" : "of the best", percent(some[index])],
    ];
    const tipped = [`${name} ${label}`, said];
    const node = svg(
      "g",
      {
        class: "bin",
        role: "img",
        "aria-label": `${label}: ${said.map(([what, share]) => `${share} ${what}`).join(", ")}`,
      },
      svg("rect", { class: "catch", x, y: top, width: step, height: bottom - top }),
      svg("rect", {
        class: "all",
        x: x + step * 0.06,
        width: step * 0.88,
        y: y(all[index]),
        height: bottom - y(all[index]),
      }),
      svg("rect", {
        class: chosen ? "some chosen" : "some",
        x: x + step * 0.28,
        width: step * 0.44,
        y: y(some[index]),
        height: bottom - y(some[index]),
      }),
    );
    node.addEventListener("pointerenter", (event) => showTip(...tipped, event.clientX, event.clientY));
    node.addEventListener("pointerleave", hideTip);
    return [node, tipped];
  });
  roving(
    parts.map(([node]) => node),
    (index, node) => tipAt(node, ...parts[index][1]),
    hideTip,
  );
  root.append(
    ...parts.map(([node]) => node),
    svg("line", { class: "base", x1: left, x2: right, y1: bottom, y2: bottom }),
  );
  if (ends) {
    root.append(
      svg("text", { x: left, y: height - 5 }, ends[0]),
      svg("text", { x: right, y: height - 5, "text-anchor": "end" }, ends[1]),
    );
  } else {
    const longest = Math.max(...labels.map((label) => label.length));
    const every = Math.max(1, Math.ceil((longest * 7 + 6) / step));
    labels.forEach((label, index) => {
      if (index % every === 0)
        root.append(
          svg(
            "text",
            { x: left + (index + 0.5) * step, y: height - 5, "text-anchor": "middle" },
            label.slice(0, Math.max(3, Math.floor((step * every) / 6.5))),
          ),
        );
    });
  }
  return root;
};

// Whose fronts are counted: of two devices by their names.
const devicesWords = (population) => {
  const names = Object.keys(population.latency_ms);
  return names.length > 2 ? `at least one of the ${names.length} devices` : names.join(" or of ") || "any device";
};

const knobFigure = (population, bestRows, chosen) => {
  const varied = Object.entries(population.knobs).filter(([, knob]) => knob.labels.length > 1);
  if (!varied.length) return null;
  const title = el("p", { class: "note" });
  const charts = varied.map(([name, knob]) => {
    const all = shares(knob, knob.classes.keys());
    const box = el("div", { class: "plot" });
    const redraw = responsive(box, (width) => {
      const mask = chosen.mask();
      const rows = mask ? [...mask.keys()].filter((row) => mask[row]) : bestRows();
      box.replaceChildren(knobChart(name, knob, all, rows, Boolean(mask), width));
    });
    return [el("div", {}, el("h4", {}, name), box), redraw];
  });
  const say = () => {
    title.textContent = `Wide grey bars: all ${integer(population.names.length)} that are shown. Narrow bars: ${
      chosen.mask()
        ? `the ${integer(chosen.count())} selected.`
        : `the ${integer(bestRows().length)} that are best: on the front of ${devicesWords(population)}.`
    }`;
  };
  const redraw = () => {
    say();
    charts.forEach(([, draw]) => draw());
  };
  chosen.follow(redraw);
  say();
  return {
    node: figure(
      "What the best have in common",
      null,
      title,
      el(
        "div",
        { class: "smalls" },
        charts.map(([node]) => node),
      ),
    ),
    redraw,
  };
};
