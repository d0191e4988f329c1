// Parallel coordinates: an axis for each knob and objective, a line for each candidate. Across where there is room for the
// names, else down the page.

const AWAY = { start: -30, middle: 0, end: 30 }; // from the first and last axis to the edge of the figure

const shortNames = (names) => {
  const tails = names.map((name) => name.split("@")[0].split(".").at(-1));
  return names.map((name, index) => (tails.filter((tail) => tail === tails[index]).length > 1 ? name : tails[index]));
};

// Where values lie along an axis, 0 to 1: numbers by size, texts in order.
const axisPlaces = (values) => {
  const distinct = [...new Set(values.filter(known))];
  if (distinct.every((value) => typeof value === "number")) {
    const [low, high] = distinct.reduce(
      ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
      [Infinity, -Infinity],
    );
    const scale = (low > 0 && high / low > 30 ? logScale : linearScale)(low, high, 0.03, 0.97);
    const ticks = distinct.length < 6 ? distinct : [low, high];
    return { place: (value) => (known(value) ? scale(value) : NaN), ticks };
  }
  distinct.sort((a, b) => String(a).localeCompare(String(b), "en", { numeric: true }));
  const order = new Map(
    distinct.map((value, index) => [value, distinct.length > 1 ? 0.03 + (0.94 * index) / (distinct.length - 1) : 0.5]),
  );
  return {
    place: (value) => (known(value) ? order.get(value) : NaN),
    ticks: distinct.length < 9 ? distinct : [distinct[0], distinct.at(-1)],
  };
};

// columns: {name, values, better: "", "more" or "less"}
const parallelPlot = (columns, front, names, tip, chosen) => {
  const size = names.length;
  const box = el("div", { class: "plot" });
  const layers = el("div", { class: "layers" });
  const [base, over] = [el("canvas", { class: "base" }), el("canvas", { class: "chosen" })];
  const titles = shortNames(columns.map(({ name }) => name));
  const scales = columns.map(({ values }) => axisPlaces(values));
  const at = columns.map(({ values }, axis) => Float32Array.from(values, (value) => scales[axis].place(value)));
  const ranges = new Map();
  let [wide, tall, where, down] = [0, 0, null, false];

  const line = (row) => {
    let path = "";
    for (let axis = 0; axis < columns.length; axis++) {
      const t = at[axis][row];
      if (Number.isNaN(t)) continue;
      const [x, y] = where(axis, t);
      path += `${path ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    }
    return path;
  };
  const paint = (canvas, rows, stroke, alpha, width) => {
    const scale = Math.min(3, window.devicePixelRatio || 1);
    [canvas.width, canvas.height] = [wide * scale, tall * scale];
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    [context.strokeStyle, context.globalAlpha, context.lineWidth] = [stroke, alpha, width];
    for (const row of rows) context.stroke(new Path2D(line(row)));
  };
  const paintChosen = () => {
    if (!where) return;
    const mask = chosen.mask();
    paint(
      over,
      mask ? [...mask.keys()].filter((row) => mask[row]) : [],
      color("chosen"),
      size < SMALL ? 0.85 : 0.5,
      1.3,
    );
    if (!chosen.has("axes")) {
      ranges.clear();
      layers.querySelectorAll(".brush").forEach((mark) => mark.setAttribute("visibility", "hidden"));
    }
  };
  const paintAll = () => {
    paint(base, Array(size).keys(), color("cloud"), Math.max(0.12, Math.min(0.6, 120 / size)), 1);
    paintChosen();
  };
  const choose = () => {
    const kept = [...ranges].map(([axis, [low, high]]) => [at[axis], Math.min(low, high), Math.max(low, high)]);
    chosen.set(
      "axes",
      kept.length
        ? Uint8Array.from({ length: size }, (_, row) =>
            kept.every(([t, low, high]) => t[row] >= low && t[row] <= high) ? 1 : 0,
          )
        : null,
    );
  };

  const edgeOf = (axis) => (axis === 0 ? "start" : axis === columns.length - 1 ? "end" : "middle");
  // Labels at the ends of an axis stand outside it, others beside it; none leaves the figure.
  const tickSpot = (x, y, t, edge) => {
    const end = t < 0.1 ? "low" : t > 0.9 ? "high" : "";
    if (down) return { x, y: y + 15, "text-anchor": { low: "start", high: "end" }[end] || "middle" };
    if (!end) return edge === "start" ? { x: x + 5, y: y + 4 } : { x: x - 5, y: y + 4, "text-anchor": "end" };
    return { x: x + AWAY[edge], y: end === "low" ? y + 17 : y - 7, "text-anchor": edge };
  };

  const draw = (width) => {
    const room = Math.max(...titles.map((title) => title.length)) * 6.6 + 14;
    down = (width - 60) / Math.max(1, columns.length - 1) < room;
    wide = width;
    tall = down ? 64 * columns.length + 10 : 330;
    const [start, end] = down ? [12, width - 12] : [tall - 30, 50];
    const step = down ? 64 : (width - 2 * 34) / Math.max(1, columns.length - 1);
    const across = (axis) => (down ? 40 + 64 * axis : 34 + step * axis);
    where = (axis, t) => (down ? [start + t * (end - start), across(axis)] : [across(axis), start + t * (end - start)]);
    const under = chartSvg(width, tall, "");
    const top = chartSvg(
      width,
      tall,
      `${size} lines over ${columns.length} axes; arrow keys go along those on the front`,
    );
    fill(
      under,
      { "aria-hidden": "true" },
      columns.map((_, axis) => {
        const [[x1, y1], [x2, y2]] = [where(axis, 0), where(axis, 1)];
        return svg("line", { class: "base", x1, y1, x2, y2 });
      }),
    );
    const heads = svg(
      "g",
      { class: "labels", "aria-hidden": "true" },
      columns.map(({ better }, axis) => {
        const [x, y] = where(axis, down ? 0 : 1);
        const arrow = better ? { more: "\u2191\u2192", less: "\u2193\u2190" }[better][down ? 1 : 0] : "";
        const spot = down
          ? { x: 12, y: y - 20 }
          : { x: x + AWAY[edgeOf(axis)], y: y - 26, "text-anchor": edgeOf(axis) };
        return svg("text", { class: "axis", ...spot }, `${titles[axis]} ${arrow}`.trim());
      }),
    );
    const ticks = svg(
      "g",
      { class: "labels", "aria-hidden": "true" },
      columns.map(({ name }, axis) =>
        scales[axis].ticks.map((tick) => {
          const t = scales[axis].place(tick);
          const [x, y] = where(axis, t);
          return svg(
            "text",
            tickSpot(x, y, t, edgeOf(axis)),
            typeof tick === "number" ? valued(name, tick) : String(tick),
          );
        }),
      ),
    );
    const best = front.map((row) =>
      svg("path", {
        class: "slope rise",
        role: "img",
        d: line(row),
        "data-row": row,
        "aria-label": tip(row).flat(2).join(", "),
      }),
    );
    roving(
      best,
      (index, mark) => {
        const spot = top.getBoundingClientRect();
        mark.classList.add("near");
        const [x, y] = where(columns.length - 1, at.at(-1)[front[index]]);
        showTip(...tip(front[index]), spot.left + (x * spot.width) / width, spot.top + (y * spot.height) / tall);
      },
      (_, mark) => {
        mark.classList.remove("near");
        hideTip();
      },
    );
    const areas = columns.map((_, axis) => {
      const mark = svg("rect", { class: "brush", visibility: "hidden" });
      const [a, b] = [where(axis, 0), where(axis, 1)];
      const area = svg("rect", {
        class: "catch",
        x: Math.min(a[0], b[0]) - 11,
        y: Math.min(a[1], b[1]) - 11,
        width: Math.abs(a[0] - b[0]) + 22,
        height: Math.abs(a[1] - b[1]) + 22,
        style: down ? "touch-action:pan-y" : "touch-action:pan-x",
      });
      axisBrush(area, mark, axis);
      return [area, mark];
    });
    fill(top, {}, [svg("g", {}, best), areas, heads, ticks]);
    layers.replaceChildren(under, base, over, top);
    paintAll();
  };

  const axisBrush = (area, mark, axis) => {
    let [from, due] = [null, 0];
    const along = (event) => {
      const spot = area.ownerSVGElement.getBoundingClientRect();
      const [a, b] = [where(axis, 0), where(axis, 1)];
      const t = down
        ? (event.clientX - spot.left - a[0]) / (b[0] - a[0])
        : (event.clientY - spot.top - a[1]) / (b[1] - a[1]);
      return Math.max(0, Math.min(1, t));
    };
    const show = () => {
      due = 0;
      const [low, high] = ranges.get(axis);
      const [a, b] = [where(axis, low), where(axis, high)];
      fill(
        mark,
        {
          visibility: "visible",
          x: Math.min(a[0], b[0]) - (down ? 0 : 7),
          y: Math.min(a[1], b[1]) - (down ? 7 : 0),
          width: Math.abs(a[0] - b[0]) + (down ? 0 : 14),
          height: Math.abs(a[1] - b[1]) + (down ? 14 : 0),
        },
        [],
      );
      choose();
    };
    fill(
      area,
      {
        onpointerdown: (event) => {
          if (event.button) return;
          from = along(event);
          try {
            area.setPointerCapture(event.pointerId);
          } catch {
            /* a pointer that is gone already */
          }
          event.preventDefault();
        },
        onpointermove: (event) => {
          if (from === null) return;
          ranges.set(axis, [from, along(event)]);
          if (!due) due = requestAnimationFrame(show);
        },
        onpointerup: (event) => {
          if (from === null) return;
          if (due) {
            cancelAnimationFrame(due);
            show();
          }
          if (Math.abs(along(event) - from) < 0.01) {
            // a click on an axis frees it
            ranges.delete(axis);
            mark.setAttribute("visibility", "hidden");
            choose();
          }
          from = null;
        },
        onpointercancel: () => {
          from = null;
        },
      },
      [],
    );
  };

  box.append(layers);
  responsive(box, draw);
  onScheme(() => {
    if (where) paintAll();
  });
  chosen.follow(paintChosen);
  return box;
};
