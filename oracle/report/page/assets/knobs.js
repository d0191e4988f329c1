// How each knob is distributed: among all candidates, and among the best or the chosen ones.

const BINS = 14;
const GRID = 24; // so many values of a grid have a bar each

const bounds = (numbers) => numbers.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);

// Classes of a column: a bar for each value where they are few, else for ranges of equal width, of whole steps of the
// grid that the values lie on, so that no range holds a step more than others.
const binsOf = (values) => {
  const distinct = [...new Set(values.filter(known))];
  const numbers = distinct.every((value) => typeof value === "number");
  distinct.sort(numbers ? (a, b) => a - b : (a, b) => String(a).localeCompare(String(b), "en", { numeric: true }));
  if (!numbers || distinct.length <= BINS) {
    const place = new Map(distinct.map((value, index) => [value, index]));
    return { labels: distinct.map((value) => (typeof value === "number" ? plain(value) : String(value))), of: (value) => place.get(value) };
  }
  const [low, high] = bounds(distinct);
  const step = bounds(distinct.slice(1).map((value, index) => value - distinct[index]))[0];
  const steps = Math.round((high - low) / step) + 1;
  const wide = steps <= GRID ? 1 : Math.ceil(steps / BINS);
  const count = Math.ceil(steps / wide);
  const edge = (index) => plain(Number((low + Math.min(index, steps - 1) * step).toPrecision(4)));
  return {
    labels: Array.from({ length: count }, (_, bin) => (wide === 1 ? edge(bin) : `${edge(bin * wide)} to ${edge((bin + 1) * wide - 1)}`)),
    ends: [edge(0), edge(steps - 1)],
    of: (value) => Math.min(count - 1, Math.floor((value - low) / step / wide + 1e-9)),
  };
};

const shares = (values, bins, rows) => {
  const counts = Array(bins.labels.length).fill(0);
  let sum = 0;
  for (const row of rows) {
    if (!known(values[row])) continue;
    counts[bins.of(values[row])] += 1;
    sum += 1;
  }
  return counts.map((count) => count / (sum || 1));
};

const knobChart = (name, values, bins, all, rows, chosen, width) => {
  const some = shares(values, bins, rows);
  const height = 116;
  const [left, right, top, bottom] = [2, width - 2, 8, height - 20];
  const step = (right - left) / bins.labels.length;
  const most = Math.max(...all, ...some, 1e-9);
  const y = linearScale(0, most, bottom, top);
  const root = chartSvg(width, height, `${name}: ${bins.labels.length} classes; arrow keys go from one to the next`);
  const parts = bins.labels.map((label, index) => {
    const x = left + index * step;
    const said = [["of all", percent(all[index])], [chosen ? "of the selected" : "of the best", percent(some[index])]];
    const tipped = [`${name} ${label}`, said];
    const node = svg("g", { class: "bin", role: "img", "aria-label": `${label}: ${said.map(([what, share]) => `${share} ${what}`).join(", ")}` },
      svg("rect", { class: "catch", x, y: top, width: step, height: bottom - top }),
      svg("rect", { class: "all", x: x + step * 0.06, width: step * 0.88, y: y(all[index]), height: bottom - y(all[index]) }),
      svg("rect", { class: chosen ? "some chosen" : "some", x: x + step * 0.28, width: step * 0.44, y: y(some[index]), height: bottom - y(some[index]) }));
    node.addEventListener("pointerenter", (event) => showTip(...tipped, event.clientX, event.clientY));
    node.addEventListener("pointerleave", hideTip);
    return [node, tipped];
  });
  roving(parts.map(([node]) => node), (index, node) => tipAt(node, ...parts[index][1]), hideTip);
  root.append(...parts.map(([node]) => node), svg("line", { class: "base", x1: left, x2: right, y1: bottom, y2: bottom }));
  if (bins.ends) {
    root.append(svg("text", { x: left, y: height - 5 }, bins.ends[0]), svg("text", { x: right, y: height - 5, "text-anchor": "end" }, bins.ends[1]));
  } else {
    const longest = Math.max(...bins.labels.map((label) => label.length));
    const every = Math.max(1, Math.ceil((longest * 7 + 6) / step));
    bins.labels.forEach((label, index) => {
      if (index % every === 0) root.append(svg("text", { x: left + (index + 0.5) * step, y: height - 5, "text-anchor": "middle" }, label.slice(0, Math.max(3, Math.floor((step * every) / 6.5)))));
    });
  }
  return root;
};

const knobFigure = (population, bestRows, chosen) => {
  const names = Object.keys(population.knobs).filter((name) => new Set(population.knobs[name]).size > 1);
  if (!names.length) return null;
  const title = el("p", { class: "note" });
  const charts = names.map((name) => {
    const values = population.knobs[name];
    const bins = binsOf(values);
    const all = shares(values, bins, Array(values.length).keys());
    const box = el("div", { class: "plot" });
    const redraw = responsive(box, (width) => {
      const mask = chosen.mask();
      const rows = mask ? [...mask.keys()].filter((row) => mask[row]) : bestRows();
      box.replaceChildren(knobChart(name, values, bins, all, rows, Boolean(mask), width));
    });
    return [el("div", {}, el("h4", {}, name), box), redraw];
  });
  const say = () => {
    title.textContent = `Wide grey bars: all ${integer(population.names.length)} that are shown. Narrow bars: ${chosen.mask()
      ? `the ${integer(chosen.count())} selected.` : `the ${integer(bestRows().length)} that are best, on the front of any device.`}`;
  };
  const redraw = () => { say(); charts.forEach(([, draw]) => draw()); };
  chosen.follow(redraw);
  say();
  return { node: figure("What the best have in common", null, title, el("div", { class: "smalls" }, charts.map(([node]) => node))), redraw };
};
