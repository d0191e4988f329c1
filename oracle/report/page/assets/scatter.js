// Many points: two canvases for all of them and for the chosen ones, SVG for what can be focused.

const SMALL = 400; // fewer points than this are drawn as discs
const NAMED = 40; // fewer than this have their names beside them
const MANY = 80; // members of a front
const NEAR = 14; // pixels from the pointer to the point that it means

// given: () => {label, x, y, fronts: [{rows, early, loose}]}, asked whenever it draws; members of the last front can be
// focused. who: its name in the selection. Returns its node, and what draws it again.
const scatterPlot = (given, names, tip, chosen, who) => {
  const size = names.length;
  const box = el("div", { class: "plot" });
  const layers = el("div", { class: "layers" });
  const [base, over] = [el("canvas", { class: "base" }), el("canvas", { class: "chosen" })];
  let [places, tall, wide] = [null, 0, 0];

  const paint = (canvas, rows, fillStyle, alpha) => {
    const scale = Math.min(3, window.devicePixelRatio || 1);
    [canvas.width, canvas.height] = [wide * scale, tall * scale];
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    [context.fillStyle, context.globalAlpha] = [fillStyle, alpha];
    const square = canvas === over;
    const radius = size < SMALL ? 4 : 1.6;
    for (const row of rows) {
      const [px, py] = [places[2 * row], places[2 * row + 1]];
      if (Number.isNaN(px)) continue;
      if (square || size >= SMALL) context.fillRect(px - radius, py - radius, 2 * radius, 2 * radius);
      else {
        context.beginPath();
        context.arc(px, py, radius, 0, 2 * Math.PI);
        context.fill();
      }
    }
  };

  const paintChosen = () => {
    if (!places) return;
    const mask = chosen.mask();
    paint(over, mask ? [...mask.keys()].filter((row) => mask[row]) : [], color("chosen"), size < SMALL ? 1 : 0.8);
    if (!chosen.has(who)) rectangle.setAttribute("width", 0);
  };
  const paintAll = () => {
    paint(base, Array(size).keys(), color("cloud"), size < SMALL ? 0.9 : Math.max(0.25, Math.min(0.8, 3000 / size)));
    paintChosen();
  };

  const nearest = (px, py) => {
    let [best, found] = [NEAR * NEAR, -1];
    for (let row = 0; row < size; row++) {
      const distance = (places[2 * row] - px) ** 2 + (places[2 * row + 1] - py) ** 2;
      if (distance < best) [best, found] = [distance, row];
    }
    return found;
  };

  // The rectangle.
  const rectangle = svg("rect", { class: "brush", width: 0, height: 0 });
  const ring = svg("circle", { class: "ring", r: 7, visibility: "hidden" });
  let [from, to, due] = [null, null, 0];
  const at = (event, bounds) => [event.clientX - bounds.left, event.clientY - bounds.top];
  const brushed = () => {
    due = 0;
    if (!from) return;
    const [left, right] = [from[0], to[0]].sort((a, b) => a - b);
    const [top, bottom] = [from[1], to[1]].sort((a, b) => a - b);
    fill(rectangle, { x: left, y: top, width: right - left, height: bottom - top }, []);
    if (right - left < 3 && bottom - top < 3) return;
    const flags = new Uint8Array(size);
    for (let row = 0; row < size; row++) {
      const [px, py] = [places[2 * row], places[2 * row + 1]];
      flags[row] = px >= left && px <= right && py >= top && py <= bottom ? 1 : 0;
    }
    chosen.set(who, flags);
  };
  const unpoint = () => {
    ring.setAttribute("visibility", "hidden");
    hideTip();
  };
  const point = (row, clientX, clientY) => {
    fill(ring, { cx: places[2 * row], cy: places[2 * row + 1], visibility: "visible" }, []);
    showTip(...tip(row), clientX, clientY);
  };
  const watch = (area) => {
    let bounds = null;
    fill(
      area,
      {
        onpointerdown: (event) => {
          if (event.button) return;
          bounds = area.ownerSVGElement.getBoundingClientRect();
          [from, to] = [at(event, bounds), at(event, bounds)];
          try {
            area.setPointerCapture(event.pointerId);
          } catch {
            /* a pointer that is gone already */
          }
          unpoint();
          event.preventDefault();
        },
        onpointermove: (event) => {
          if (from) {
            to = at(event, bounds);
            if (!due) due = requestAnimationFrame(brushed);
            return;
          }
          const [px, py] = at(event, area.ownerSVGElement.getBoundingClientRect());
          const row = nearest(px, py);
          if (row < 0) unpoint();
          else point(row, event.clientX, event.clientY);
        },
        onpointerup: () => {
          if (!from) return;
          if (due) {
            cancelAnimationFrame(due);
            brushed();
          }
          const small = Math.abs(to[0] - from[0]) < 3 && Math.abs(to[1] - from[1]) < 3;
          from = null;
          if (small) chosen.set(who, null); // a click outside selects nothing
        },
        onpointercancel: () => {
          from = null;
        },
        onpointerleave: () => {
          if (!from) unpoint();
        },
      },
      [],
    );
  };

  const draw = (width) => {
    const { label, x: xAxis, y: yAxis, fronts } = given();
    wide = width;
    tall = Math.round(Math.min(430, Math.max(320, width * 0.7)));
    const frame = { left: 58, right: width - 12, top: 34, bottom: tall - 46 };
    const [x, y] = [axisScale(xAxis, frame.left, frame.right), axisScale(yAxis, frame.bottom, frame.top)];
    places = new Float32Array(2 * size);
    for (let row = 0; row < size; row++) {
      const [a, b] = [xAxis.values[row], yAxis.values[row]];
      places[2 * row] = known(a) && known(b) ? x(a) : NaN;
      places[2 * row + 1] = known(a) && known(b) ? y(b) : NaN;
    }
    const bottom = chartSvg(width, tall, "");
    fill(bottom, { "aria-hidden": "true" }, [
      axes(frame, x, y, { tickX: xAxis.tick, tickY: yAxis.tick, x: xAxis.title, y: yAxis.title }),
    ]);
    const top = chartSvg(width, tall, label);
    const area = svg("rect", {
      class: "catch",
      x: frame.left - 6,
      y: frame.top - 6,
      width: frame.right - frame.left + 12,
      height: frame.bottom - frame.top + 12,
    });
    watch(area);
    const lines = fronts
      .filter(({ loose }) => !loose)
      .map(({ rows, early }) => {
        const steps = rows
          .map((row) => [places[2 * row], places[2 * row + 1]])
          .filter(([px]) => !Number.isNaN(px))
          .sort((a, b) => a[0] - b[0]);
        return svg("path", { class: early ? "front early" : "front", d: staircase(steps, xAxis.maximise) });
      });
    const members = [...(fronts.length ? fronts.at(-1).rows : [])]
      .filter((row) => !Number.isNaN(places[2 * row]))
      .sort((a, b) => places[2 * a] - places[2 * b]);
    const radius = size < SMALL ? 4.5 : members.length < MANY ? 3.4 : 1.7; // a long front is a line with beads, not a wall
    const marks = members.map((row) => {
      const [title, pairs] = tip(row);
      return svg("path", {
        class: "best",
        role: "img",
        d: markPath("diamond", radius),
        "data-row": row,
        transform: `translate(${places[2 * row]} ${places[2 * row + 1]})`,
        "aria-label": [title, ...pairs.map(([label, value]) => `${label} ${value}`)].join(", "),
      });
    });
    roving(
      marks,
      (index, mark) => {
        const spot = mark.getBoundingClientRect();
        point(members[index], spot.right, spot.bottom);
      },
      unpoint,
    );
    fill(top, {}, [
      area,
      lines,
      svg("g", { class: "members" }, marks),
      size < NAMED ? nameLabels(places, names, frame) : null,
      rectangle,
      ring,
    ]);
    rectangle.setAttribute("width", 0);
    layers.replaceChildren(bottom, base, over, top);
    paintAll();
  };
  box.append(layers);
  const redraw = responsive(box, draw);
  onScheme(() => {
    if (places) paintAll();
  });
  chosen.follow(paintChosen);
  return { node: box, redraw };
};
