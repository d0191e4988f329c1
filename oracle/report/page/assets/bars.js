// Bars: of time, split by what bounds it, and of memory, split by what it holds.

const BOUNDS = ["compute", "memory", "launch"];
const totalOf = (split) => BOUNDS.reduce((sum, bound) => sum + split[`${bound}_ms`], 0);

// keys: {name, kind, color}
const swatches = (label, keys) =>
  el(
    "ul",
    { class: "legend", "aria-label": label },
    keys.map(({ name, kind, color: shade }) =>
      el(
        "li",
        {},
        el("span", { class: `swatch ${kind}`, style: `background-color:${shade}`, "aria-hidden": "true" }),
        name,
      ),
    ),
  );

const boundKey = (bound) => ({ name: `${bound}-bound`, kind: bound, color: facts.palette.bounds[bound] });

// rows: {name, parts: [{kind, color, value, text}], value: after the bar, note}; lengths relative to `most`.
const barList = (rows, most) =>
  el(
    "ul",
    { class: "bars" },
    rows.map((row) =>
      el(
        "li",
        {},
        el("span", { class: "name" }, row.name),
        el(
          "span",
          { class: "track" },
          row.parts
            .filter(({ value }) => value > 0)
            .map(({ kind, color: shade, value, text }) =>
              el(
                "span",
                { class: `part ${kind}`, style: `width:${(100 * value) / (most || 1)}%;--part:${shade}`, title: text },
                el("span", { class: "hidden" }, `${text}; `),
              ),
            ),
        ),
        el("span", { class: "value" }, row.value, row.note ? el("small", {}, row.note) : null),
      ),
    ),
  );

// One panel of bars per device. say(split, whole time, first split): what stands beside a bar, its name if another.
const boundBars = (splitsOf, say) => {
  const shown = facts.devices.filter(({ name }) => splitsOf[name]);
  const met = BOUNDS.filter((bound) =>
    shown.some(({ name }) => splitsOf[name].some((split) => split[`${bound}_ms`] > 0)),
  );
  return [
    swatches("What bounds the time", met.map(boundKey)),
    el(
      "div",
      { class: "panels" },
      shown.map(({ name, title }) => {
        const splits = splitsOf[name];
        const whole = splits.reduce((sum, split) => sum + totalOf(split), 0);
        const rows = splits.map((split) => ({
          name: split.name,
          value: time(totalOf(split)),
          parts: BOUNDS.map((bound) => ({
            ...boundKey(bound),
            value: split[`${bound}_ms`],
            text: `${bound}-bound ${time(split[`${bound}_ms`])}`,
          })),
          ...say(split, whole, splits[0]),
        }));
        return el("div", { class: "panel" }, el("h4", {}, title), barList(rows, Math.max(...splits.map(totalOf))));
      }),
    ),
  ];
};

const splitBars = (title, caption, network, key) =>
  figure(
    title,
    caption,
    ...boundBars(
      Object.fromEntries(Object.entries(network.devices).map(([name, on]) => [name, on[key]])),
      (split, whole) => ({ note: percent(totalOf(split) / whole) }),
    ),
  );

const runtimeBars = ({ runtimes: { times, missing } }) =>
  figure(
    "Eager, compiled, engine",
    "The same network run operator by operator (eager: PyTorch), with chains of pointwise operators merged (compiled: torch.compile, XLA), and with normalisation, " +
      "activations and additions inside convolutions (engine: TensorRT, TFLite, ONNX Runtime). Fewer borders between kernels mean less traffic.",
    ...boundBars(times, (split, _, first) => ({
      note: `${integer(split.kernels)} kernels, ${bytes(split.traffic_bytes)}${split === first ? "" : `, ${digits(totalOf(first) / totalOf(split))}\u00d7`}`,
    })),
    Object.entries(missing).map(([runtime, reason]) =>
      el("p", { class: "note" }, `${capital(runtime)} is missing: ${reason}`),
    ),
  );
