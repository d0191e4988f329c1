// The roofline of one network on one device: every kernel a mark below the roofs.

const markOf = (opClass) =>
  facts.palette.marks.find((mark) => mark.classes.includes(opClass)) || facts.palette.marks.at(-1);

const kernelPoints = (network, on) => {
  const { flops, traffic_bytes, op_class } = network.kernels;
  return on.kernels.time_ms.map((ms, index) => ({
    index,
    ms,
    share: on.kernels.share[index],
    bound: on.kernels.bound[index],
    mark: markOf(op_class[index]),
    x: traffic_bytes[index] ? flops[index] / traffic_bytes[index] : 0,
    y: ms ? (flops[index] / ms) * 1e3 : 0,
  }));
};

const kernelTip = (network, point) => {
  const k = network.kernels;
  return [
    network.kernels.module[point.index] || "(network)",
    [
      ["operator", k.name[point.index]],
      ["shape", k.shape[point.index] || MISSING],
      ["work", measure(k.flops[point.index], "FLOP")],
      ["traffic", bytes(k.traffic_bytes[point.index])],
      ["intensity", intensity(point.x)],
      ["time", `${time(point.ms)}, ${percent(point.share)} of the call`],
      ["achieved", measure(point.y, "FLOP/s")],
      ["bound by", point.bound],
    ],
  ];
};

const radiusOf = (share, width) => Math.max(2.6, Math.min(24, 40 * Math.sqrt(share) * Math.min(1, width / 520)));

// Kernels of a kind that lie on one spot; equal layers do.
const stacksOf = (points, place) => {
  const spots = new Map();
  for (const point of points) {
    const [px, py] = place(point).map(Math.round);
    const key = `${point.mark.name} ${px} ${py}`;
    spots.set(key, [...(spots.get(key) || []), point]);
  }
  return [...spots.values()].filter((stack) => stack.length > 1);
};

const stackTip = (network, stack) => {
  const share = stack.reduce((sum, point) => sum + point.share, 0);
  const ms = stack.reduce((sum, point) => sum + point.ms, 0);
  return [
    `${integer(stack.length)} kernels of a kind lie here`,
    [
      ["together", `${time(ms)}, ${percent(share)} of the call`],
      ...stack.slice(0, 4).map((point) => [percent(point.share), network.kernels.module[point.index] || "(network)"]),
      ...(stack.length > 4 ? [["", `and ${stack.length - 4} more`]] : []),
    ],
  ];
};

const drawRoofline = (box, network, device, hidden) => {
  const on = network.devices[device.name];
  const all = kernelPoints(network, on);
  const points = all.filter((point) => point.x > 0 && point.y > 0).sort((a, b) => b.share - a.share);
  const peaks = on.ceilings.map((ceiling) => ceiling.flops_per_s);
  const top = Math.max(...peaks, ...points.map((point) => point.y));
  const [x0, x1] = padded(
    [...points.map((point) => point.x), ...on.ceilings.map((ceiling) => ceiling.ridge * 3)],
    true,
    0.05,
  );
  const [y0] = padded(
    points.map((point) => point.y),
    true,
    0.08,
  );

  responsive(box, (width) => {
    const height = Math.round(Math.min(460, Math.max(300, width * 0.68)));
    const frame = { left: 52, right: width - 12, top: 34, bottom: height - 46 };
    const [x, y] = [
      logScale(x0, x1, frame.left, frame.right),
      logScale(Math.min(y0, top / 30), top * 2, frame.bottom, frame.top),
    ];
    const place = (point) => [x(point.x), y(point.y)];
    const root = chartSvg(
      width,
      height,
      `Roofline of ${network.name} on ${device.title}: ${points.length} kernels; arrow keys go from one to the next, the longest first`,
    );
    const clip = unique("clip");
    const mark = (point, share, kind) => {
      const shape = svg("path", {
        class: kind,
        "data-mark": point.mark.name,
        d: markPath(point.mark.shape, radiusOf(share, width)),
        transform: `translate(${place(point).join(" ")})`,
        style: `color:${point.mark.color}`,
      });
      shape.classList.toggle("hollow", point.mark.shape === "ring");
      shape.classList.toggle("off", hidden.has(point.mark.name));
      return shape;
    };
    const pointed = (shape, title, pairs) =>
      fill(
        shape,
        {
          onpointerenter: (event) => showTip(title, pairs, event.clientX, event.clientY),
          onpointerleave: hideTip,
        },
        [],
      );
    const stacks = stacksOf(points, place).map((stack) =>
      pointed(
        mark(
          stack[0],
          stack.reduce((sum, point) => sum + point.share, 0),
          "point stack",
        ),
        ...stackTip(network, stack),
      ),
    );
    const marks = points.map((point) => {
      const [title, pairs] = kernelTip(network, point);
      const shape = mark(point, point.share, "point kernel");
      fill(
        shape,
        {
          role: "img",
          "data-kernel": point.index,
          "aria-label": [title, ...pairs.map(([label, value]) => `${label} ${value}`)].join(", "),
        },
        [],
      );
      return pointed(shape, title, pairs);
    });
    roving(marks, (index, shape) => tipAt(shape, ...kernelTip(network, points[index])), hideTip);
    root.append(
      axes(frame, x, y, {
        tickX: (tick) => digits(tick, 1),
        tickY: (tick) => measure(tick, "", 1).replace(" ", THIN),
        x: "arithmetic intensity, FLOP/byte",
        y: "performance, FLOP/s",
      }),
      svg(
        "clipPath",
        { id: clip },
        svg("rect", {
          x: frame.left,
          y: frame.top - 8,
          width: frame.right - frame.left,
          height: frame.bottom - frame.top + 8,
        }),
      ),
      svg(
        "g",
        { "clip-path": `url(#${clip})`, "aria-hidden": "true" },
        roofsOf(on, device.slopes, x, y, x0, frame.right),
      ),
      svg("g", { "aria-hidden": "true" }, stacks),
      svg("g", {}, marks),
      // above the marks, with their halo: a mark that covers a label makes it unreadable, a label hides but a little
      roofLabels(on, device.slopes, x, y, frame, points.map(place)),
      svg("circle", {
        class: "ridge",
        "aria-hidden": "true",
        cx: x(on.time.ridge),
        cy: y(on.time.ridge * device.slopes[0].bytes_per_s),
        r: 3.5,
      }),
    );
    box.replaceChildren(root);
  });

  const still = all.filter((point) => !(point.x > 0 && point.y > 0));
  const share = still.reduce((sum, point) => sum + point.share, 0);
  return still.length
    ? `${still.length} kernel${still.length > 1 ? "s" : ""} without arithmetic (${percent(share)} of the time) ${still.length > 1 ? "have" : "has"} no place on these axes.`
    : "";
};

// rows: of panels beside one another, each [title, network, device].
const rooflineFigure = (title, caption, networks, rows) => {
  const hidden = new Set();
  const present = facts.palette.marks.filter((mark) =>
    networks.some((network) => network.kernels.op_class.some((name) => mark.classes.includes(name))),
  );
  const panels = el("div");
  const legend = el(
    "div",
    { class: "legend", role: "group", "aria-label": "Kinds of operators; press to hide or show" },
    present.map((mark) => {
      const button = el(
        "button",
        {
          type: "button",
          "aria-pressed": "true",
          onclick: () => {
            if (!hidden.delete(mark.name)) hidden.add(mark.name);
            button.setAttribute("aria-pressed", String(!hidden.has(mark.name)));
            panels
              .querySelectorAll(".point")
              .forEach((point) => point.classList.toggle("off", hidden.has(point.dataset.mark)));
          },
        },
        markKey(mark),
        mark.name,
      );
      return button;
    }),
  );
  for (const row of rows) {
    const beside = el("div", { class: "panels" });
    for (const [name, network, device] of row) {
      const on = network.devices[device.name];
      if (!on || !on.ceilings.length || !device.slopes.length) continue;
      const box = el("div", { class: "plot" });
      const panel = el("div", { class: "panel" }, el("h4", {}, name), box);
      beside.append(panel);
      const note = drawRoofline(box, network, device, hidden);
      if (note) panel.append(el("p", { class: "note" }, note));
    }
    panels.append(beside);
  }
  return figure(
    title,
    (caption ? `${caption} ` : "") +
      "Every mark is a kernel, its area its share of the time; a pale mark behind is the sum of equal ones that lie on one spot. No kernel gets above the roofs: " +
      "below the slope memory is too slow to feed it, below the flat line arithmetic is the limit, and they meet at the ridge point.",
    legend,
    panels,
  );
};

const rooflines = (network) =>
  rooflineFigure("Roofline", "", [network], [facts.devices.map((device) => [device.title, network, device])]);
