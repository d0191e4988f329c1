// A decoder: its prompt and its decode step under the same roofs, and decoding more sequences at once.

const phaseRooflines = ({ phases }) => {
  const entries = Object.entries(phases);
  const networks = entries.map(([, network]) => network);
  const rows = facts.devices
    .filter(({ name }) => networks.some((network) => network.devices[name]))
    .map((device) => entries.map(([title, network]) => [`${device.title}. ${title}`, network, device]));
  return rooflineFigure(
    "Roofline of a prompt, and of a decode step",
    "A prompt has many tokens for every weight that is read, a decode step one of each sequence: its kernels lie to the left, under the slope.",
    networks,
    rows,
  );
};

const SERIES_SHAPES = ["disc", "square", "triangle", "diamond"];

const drawCurve = (box, curve) => {
  const devices = facts.devices.filter(({ name }) => curve[name]);
  const points = devices.flatMap(({ name }, series) =>
    curve[name].batch_size.map((batch, row) => ({
      name,
      series,
      batch,
      x: curve[name].latency_ms[row],
      y: curve[name].tokens_per_s[row],
      fits: curve[name].fits[row] !== false,
    })),
  );
  const tipOf = (point) => [
    `${deviceTitle(point.name)}, ${integer(point.batch)} at once`,
    [
      ["per output token", time(point.x)],
      ["all together", `${digits(point.y, 4)} tokens/s`],
      ["for each", `${digits(point.y / point.batch, 4)} tokens/s`],
      ...(point.fits ? [] : [["memory", "does not fit"]]),
    ],
  ];
  const [x0, x1] = padded(points.map((point) => point.x), true, 0.06);
  const [y0, y1] = padded(points.map((point) => point.y), true, 0.06);
  responsive(box, (width) => {
    const height = Math.round(Math.min(420, Math.max(280, width * 0.5)));
    const frame = { left: 60, right: width - 14, top: 34, bottom: height - 46 };
    const [x, y] = [logScale(x0, x1, frame.left, frame.right), logScale(y0, y1, frame.bottom, frame.top)];
    const colour = (series) => facts.palette.series[series % facts.palette.series.length];
    const root = chartSvg(
      width,
      height,
      `Tokens per second over time per output token on ${devices.map((device) => device.title).join(", ")}; arrow keys go from point to point`,
    );
    const lines = devices.map(({ name }, series) => {
      const own = points.filter((point) => point.name === name);
      return svg("path", {
        class: "curve",
        d: own.map((point, row) => `${row ? "L" : "M"}${x(point.x)} ${y(point.y)}`).join(""),
        style: `stroke:${colour(series)}`,
      });
    });
    const marks = points.map((point) => {
      const [title, pairs] = tipOf(point);
      const shape = svg("path", {
        class: "point",
        role: "img",
        "aria-label": [title, ...pairs.map(([label, value]) => `${label} ${value}`)].join(", "),
        d: markPath(SERIES_SHAPES[point.series % SERIES_SHAPES.length], 5),
        transform: `translate(${x(point.x)} ${y(point.y)})`,
        style: `color:${colour(point.series)}`,
        onpointerenter: (event) => showTip(title, pairs, event.clientX, event.clientY),
        onpointerleave: hideTip,
      });
      shape.classList.toggle("hollow", !point.fits);
      return shape;
    });
    roving(marks, (index, shape) => tipAt(shape, ...tipOf(points[index])), hideTip);
    root.append(
      axes(frame, x, y, {
        tickX: (tick) => digits(tick, 2),
        tickY: (tick) => measure(tick, "", 2).replace(" ", THIN),
        x: "time per output token, ms",
        y: "tokens/s of all sequences",
      }),
      svg("g", { "aria-hidden": "true" }, lines),
      svg("g", {}, marks),
      nameLabels(
        points.flatMap((point) => [x(point.x), y(point.y)]),
        points.map((point) => String(point.batch)),
        frame,
      ),
    );
    box.replaceChildren(root);
  });
};

const decodingCurve = ({ curve, kv_bytes_per_token }) => {
  const names = facts.devices.map(({ name }) => name).filter((name) => curve[name]);
  if (!names.length) return null;
  const box = el("div", { class: "plot" });
  drawCurve(box, curve);
  const first = curve[names[0]];
  const column = (key, title, more = {}) => ({ key, title, values: first[key], ...more });
  const columns = [
    column("batch_size", "At once", { shown: "sequences" }),
    ...names.flatMap((name) => [
      {
        key: `latency_ms@${name}`,
        title: names.length > 1 ? `TPOT ${name}` : "TPOT",
        shown: "ms",
        values: curve[name].latency_ms,
      },
      {
        key: `tokens_per_s@${name}`,
        title: names.length > 1 ? `All ${name}` : "All",
        shown: "tokens/s",
        values: curve[name].tokens_per_s,
        text: (value, row) => `${digits(value, 4)}${curve[name].fits[row] === false ? " (does not fit)" : ""}`,
      },
    ]),
    column("kv_cache_bytes", "KV cache", { unit: "B" }),
    column("peak_memory_bytes", "Peak memory", { unit: "B" }),
  ];
  return figure(
    "Decoding more sequences at once",
    `Every point is a number of sequences that are decoded together: to the right each waits longer for its next token, upwards all of them together get more. A hollow one does not fit the memory; a token takes ${bytes(kv_bytes_per_token)} of cache in every sequence.`,
    el(
      "div",
      { class: "legend" },
      names.map((name, series) =>
        el(
          "span",
          {},
          markKey({
            shape: SERIES_SHAPES[series % SERIES_SHAPES.length],
            color: facts.palette.series[series % facts.palette.series.length],
          }),
          deviceTitle(name),
        ),
      ),
    ),
    el("div", { class: "panels" }, el("div", { class: "panel" }, box)),
    dataTable("Decoding over sequences at once", columns, "decoding", { one: "line", many: "lines" }).node,
  );
};

const decodingFigures = (decoding) => [
  phaseRooflines(decoding),
  decodingCurve(decoding),
  ...decoding.missing.map((reason) => el("p", { class: "note" }, reason)),
];
