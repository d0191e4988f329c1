// Everything about one network.

const tile = (label, value, note) =>
  el("div", { class: "tile" }, el("dt", {}, label), el("dd", {}, value, note ? el("small", {}, note) : null));

const latencyNote = ({ bound, bound_share, expected_error, interval_ms, fits, latency_ms, roofline_ms }) =>
  [
    `${bound}-bound ${percent(bound_share[bound])} of the time`,
    known(expected_error) ? `mean error ${percent(expected_error)}` : "",
    interval_ms ? `80 % of cases ${time(interval_ms[0])} to ${time(interval_ms[1])}` : "",
    roofline_ms < latency_ms ? `lower bound ${time(roofline_ms)}` : "",
    fits === false ? "does not fit its memory" : "",
  ]
    .filter(Boolean)
    .join("; ");

const timesOf = (network) =>
  facts.devices.filter(({ name }) => network.devices[name]).map((device) => [device, network.devices[device.name]]);

const tiles = ({ counts, memory, ...network }) =>
  el(
    "dl",
    { class: "tiles" },
    timesOf(network).map(([device, { time: found }]) =>
      tile(device.title, time(found.latency_ms, 4), latencyNote(found)),
    ),
    tile("MACs", measure(counts.macs, "").trim(), known(counts.flops) ? `${measure(counts.flops, "FLOP")} in all` : ""),
    tile("Parameters", measure(counts.params, "").trim()),
    counts.kv_bytes_per_token
      ? tile("KV cache per token", bytes(counts.kv_bytes_per_token), `${bytes(counts.kv_cache_bytes)} in all`)
      : null,
    tile("Traffic", bytes(counts.traffic_bytes), intensity(counts.intensity)),
    tile(
      "Peak memory",
      bytes(counts.peak_memory_bytes),
      Object.entries(memory)
        .map(([what, size]) => `${what} ${bytes(size)}`)
        .join(", "),
    ),
  );

const kernelTable = (network) => {
  const k = network.kernels;
  const found = timesOf(network);
  const timed = found.flatMap(([{ name }, { kernels }]) => {
    const on = found.length > 1 ? ` ${name}` : "";
    return [
      {
        key: `time_us@${name}`,
        title: `Time${on}`,
        shown: "\u00b5s",
        values: kernels.time_ms.map((ms) => (known(ms) ? ms * 1e3 : null)),
      },
      {
        key: `share@${name}`,
        title: "Share",
        shown: "%",
        values: kernels.share,
        text: (value) => (known(value) ? (100 * value).toFixed(2) : MISSING),
      },
      { key: `bound@${name}`, title: "Bound", values: kernels.bound },
    ];
  });
  const several = (key, title) => (new Set(k[key]).size > 1 ? [{ key, title, values: k[key] }] : []);
  const columns = [
    { key: "module", title: "Module", values: k.module, wide: true },
    { key: "name", title: "Operator", values: k.name, wide: true },
    ...timed,
    { key: "flops", title: "Work", unit: "FLOP", values: k.flops },
    { key: "traffic_bytes", title: "Traffic", unit: "B", values: k.traffic_bytes },
    {
      key: "intensity",
      title: "Intensity",
      shown: "FLOP/byte",
      text: (value) => digits(value),
      values: k.flops.map((flops, row) => (k.traffic_bytes[row] ? flops / k.traffic_bytes[row] : 0)),
    },
    { key: "class", title: "Class", values: k.op_class },
    { key: "stage", title: "Stage", values: k.stage, screen: true },
    ...several("phase", "Phase"),
    ...several("dtype", "Dtype"),
    { key: "shape", title: "Shape", values: k.shape, screen: true },
  ];
  return figure(
    "Every kernel",
    timed.length
      ? `The longest on ${found[0][0].title} first; press a column\u2019s name to sort by it.`
      : "In order of execution; press a column\u2019s name to sort by it.",
    dataTable(`Kernels of ${network.name}`, columns, `${network.name.replace(/[^\w.-]+/g, "_")}-kernels`, {
      one: "kernel",
      many: "kernels",
      sort: timed.length ? columns.indexOf(timed[1]) : undefined,
    }).node,
  );
};

const networkBody = (network) => {
  const timed = timesOf(network).length > 0;
  return [
    tiles(network),
    timed ? (network.decoding ? decodingFigures(network.decoding) : rooflines(network)) : null,
    timed
      ? splitBars(
          "Where the time goes, by stage",
          "Stages in the order in which they run, each split by what bounds its kernels: arithmetic, memory traffic, or the cost of launching them.",
          network,
          "stages",
        )
      : null,
    timed
      ? splitBars(
          "Where the time goes, by kind of operator",
          "The same time, summed over kernels of a kind.",
          network,
          "kinds",
        )
      : null,
    timed && network.runtimes ? runtimeBars(network) : null,
    network.training ? trainingFigures(network.training) : null,
    kernelTable(network),
  ];
};

const networkSection = () => {
  const body = el("div", { class: "network" });
  const show = (index) => {
    hideTip();
    body.replaceChildren(...networkBody(facts.networks[index]).flat().filter(Boolean));
  };
  show(0);
  const [first, ...others] = facts.networks;
  if (!others.length) return section("network", "Costs", null, body);
  const rest = facts.undetailed ? ` ${integer(facts.undetailed)} more are in the table above alone.` : "";
  return section(
    "network",
    "One by one",
    `Everything below is about the network that you choose.${rest}`,
    el(
      "div",
      { class: "picker" },
      choice(
        "Network",
        facts.networks.map((network, index) => [String(index), network.name]),
        "0",
        (index) => show(Number(index)),
      ),
    ),
    body,
  );
};
