// Ranks on two devices, side by side: lines that cross are pairs that the devices order oppositely.

const SLOPES = 40; // more lines than this are a cloud; an even number

const pairOf = (population, a, b) => population.pairs.find(({ devices }) => devices.includes(a) && devices.includes(b));

const agreementText = (population, a, b) => {
  const pair = pairOf(population, a, b);
  if (!pair) return "";
  const of = `${integer(pair.flips)} of ${integer(pair.pairs)} pairs of ${population.noun} are ordered oppositely`;
  return `Kendall\u2019s tau ${known(pair.kendall_tau) ? pair.kendall_tau.toFixed(3).replace("-", MINUS) : MISSING} (1 the same order, ${MINUS}1 reversed); ${of}.`;
};

const largestFlip = (population, a, b) => {
  const pair = pairOf(population, a, b);
  if (!pair || !pair.largest) return "";
  const [first, second, ...ratios] = pair.largest;
  const [one, two] = pair.devices;
  return `Largest flip: on ${one}, ${population.names[first]} is ${digits(ratios[0])} times as fast as ${population.names[second]}; on ${two} it is the other way round, ${digits(ratios[1])} times.`;
};

// Which lines to draw: of those chosen, or else of those on a front; where that is too many, those that gain and lose most.
const slopeRows = (population, value, a, b, mask) => {
  const all = [...population.names.keys()];
  const fronts = value ? [...new Set([...(value.fronts[a] || []), ...(value.fronts[b] || [])])] : [];
  const few = all.length <= SLOPES;
  const pool = mask ? all.filter((row) => mask[row]) : few || !fronts.length ? all : fronts;
  const what = mask ? "selected" : few || !fronts.length ? "" : `on the front of ${a} or of ${b}`;
  if (pool.length <= SLOPES) return { rows: pool, said: what ? `Shown: those ${what}.` : "" };
  const gain = (row) => population.ranks[a][row] - population.ranks[b][row];
  const sorted = [...pool].sort((i, j) => gain(i) - gain(j));
  // as many that lose as that gain, or more of the others where there are too few
  const losers = Math.max(SLOPES / 2, SLOPES - sorted.filter((row) => gain(row) > 0).length);
  const shown = sorted.filter((row) => gain(row) < 0).slice(0, losers);
  return {
    rows: [...shown, ...sorted.slice(shown.length - SLOPES)],
    said: `Shown: of the ${integer(pool.length)} ${what || population.noun}, ${SLOPES} of those whose ranks change most.`,
  };
};

const slopeChart = (population, a, b, rows, width, most) => {
  const names = rows.length <= 24 && width > 420;
  const height = Math.max(260, Math.min(560, 60 + rows.length * 17));
  const side = names
    ? Math.min(width * 0.3, 20 + 6.6 * Math.max(0, ...rows.map((row) => population.names[row].length)))
    : 60;
  const [left, right, top, bottom] = [side, width - side, 34, height - 14];
  const y = linearScale(1, Math.max(2, most), top, bottom);
  const root = chartSvg(width, height, `Ranks on ${a} and on ${b}; arrow keys go from one line to the next`);
  root.append(
    svg("text", { class: "axis", x: left, y: 14, "text-anchor": names ? "end" : "middle" }, `rank on ${a}`),
    svg("text", { class: "axis", x: right, y: 14, "text-anchor": names ? "start" : "middle" }, `rank on ${b}`),
    svg("line", { class: "base", x1: left, x2: left, y1: top - 6, y2: bottom }),
    svg("line", { class: "base", x1: right, x2: right, y1: top - 6, y2: bottom }),
  );
  const ordered = [...rows].sort((i, j) => population.ranks[a][i] - population.ranks[a][j]);
  const lines = ordered.map((row) => {
    const [before, after] = [population.ranks[a][row], population.ranks[b][row]];
    const kind = after < before ? "rise" : after > before ? "fall" : "same";
    const d = `M${left} ${y(before)}L${right} ${y(after)}`;
    return svg(
      "g",
      {
        class: "flip",
        role: "img",
        "data-row": row,
        "aria-label": `${population.names[row]}: rank ${before} on ${a}, ${after} on ${b}`,
      },
      svg("path", { class: "hit", d }),
      svg("path", { class: `slope ${kind}`, d }),
      svg("circle", { cx: left, cy: y(before), r: 3 }),
      svg("circle", { cx: right, cy: y(after), r: 3 }),
    );
  });
  const tipOf = (row) => candidateTip(population, row);
  lines.forEach((line, index) => {
    line.addEventListener("pointerenter", (event) => showTip(...tipOf(ordered[index]), event.clientX, event.clientY));
    line.addEventListener("pointerleave", hideTip);
  });
  roving(
    lines,
    (index) => {
      const spot = root.getBoundingClientRect();
      showTip(
        ...tipOf(ordered[index]),
        spot.left + (right * spot.width) / width,
        spot.top + (y(population.ranks[b][ordered[index]]) * spot.height) / height,
      );
    },
    hideTip,
  );
  root.append(svg("g", {}, lines));
  if (names)
    root.append(
      sideNames(population, a, ordered, y, left - 10, "end"),
      sideNames(population, b, ordered, y, right + 10, "start"),
    );
  else {
    for (const tick of [1, ...y.ticks(6).filter((rank) => rank > 1 && Number.isInteger(rank))]) {
      root.append(
        svg("text", { x: left - 8, y: y(tick), dy: "0.32em", "text-anchor": "end" }, integer(tick)),
        svg("text", { x: right + 8, y: y(tick), dy: "0.32em" }, integer(tick)),
      );
    }
  }
  return root;
};

// Names in the order of their ranks, pushed apart where they would overlap.
const sideNames = (population, device, rows, y, x, anchor) => {
  let last = -Infinity;
  return svg(
    "g",
    { class: "names", "aria-hidden": "true" },
    [...rows]
      .sort((i, j) => population.ranks[device][i] - population.ranks[device][j])
      .map((row) => {
        last = Math.max(y(population.ranks[device][row]), last + 13);
        return svg("text", { x, y: last, dy: "0.32em", "text-anchor": anchor }, population.names[row]);
      }),
  );
};

const flipFigure = (population, valueNow, chosen) => {
  const devices = Object.keys(population.latency_ms);
  let [a, b] = devices;
  const box = el("div", { class: "plot" });
  const [agree, flip, shown] = [el("p", { class: "note" }), el("p", { class: "note" }), el("p", { class: "note" })];
  const redraw = responsive(box, (width) => {
    const { rows, said } = slopeRows(population, valueNow(), a, b, chosen.mask());
    box.replaceChildren(slopeChart(population, a, b, rows, width, population.total));
    agree.textContent = agreementText(population, a, b);
    flip.textContent = largestFlip(population, a, b);
    shown.textContent = said;
  });
  const pick = (label, start, put) =>
    choice(
      label,
      devices.map((device) => [device, device]),
      start,
      (device) => {
        put(device);
        redraw();
      },
    );
  chosen.follow(redraw);
  const node = figure(
    "Who is faster where",
    `Each line is one of the ${population.noun}, from its rank on one device to its rank on the other: solid where it rises, dashed where it falls. Where lines cross, the devices disagree.`,
    devices.length > 2
      ? el(
          "div",
          { class: "tools" },
          pick("From", a, (device) => {
            a = device;
          }),
          pick("to", b, (device) => {
            b = device;
          }),
        )
      : null,
    el("div", { class: "panels" }, el("div", { class: "panel" }, box)),
    agree,
    flip,
    shown,
  );
  return { node, redraw };
};
