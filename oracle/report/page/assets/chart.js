// Scales, axes, marks.

const logScale = (low, high, from, to) => {
  const [a, b] = [Math.log10(low), Math.log10(high)];
  const scale = (value) => from + ((Math.log10(value) - a) / (b - a || 1)) * (to - from);
  scale.invert = (place) => 10 ** (a + ((place - from) / (to - from)) * (b - a));
  scale.ticks = (room) => logTicks(low, high, room);
  return scale;
};

const linearScale = (low, high, from, to) => {
  const scale = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  scale.invert = (place) => low + ((place - from) / (to - from)) * (high - low);
  scale.ticks = (room) => linearTicks(low, high, room);
  return scale;
};

const linearTicks = (low, high, room) => {
  const rough = (high - low) / Math.max(1, room);
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) || power;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++)
    found.push(Number((k * step).toPrecision(12)));
  return found;
};

const logTicks = (low, high, room) => {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const within = (value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9);
  const made = (steps, every = 1) => {
    const found = [];
    for (let power = first; power <= last; power++) {
      if (power % every === 0)
        for (const step of steps)
          if (within(step * 10 ** power)) found.push(Number((step * 10 ** power).toPrecision(12)));
    }
    return found;
  };
  const sets = [
    made([1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]),
    made([1, 2, 3, 5, 7]),
    made([1, 2, 5]),
    made([1, 3]),
    made([1]),
    made([1], 2),
    made([1], 3),
  ];
  const fitting = sets.find((set) => set.length <= room) || sets.at(-1);
  return fitting.length > 1 ? fitting : linearTicks(low, high, Math.max(2, room));
};

const padded = (values, isLog, share = 0.05) => {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!known(value) || (isLog && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return isLog ? [0.1, 10] : [0, 1];
  if (isLog) {
    const room = Math.max((high / low) ** share, 1.02);
    return [low / room, high * room];
  }
  const room = (high - low) * share || Math.abs(high) * share || 1;
  return [low - room, high + room];
};

// Axes with hairlines; `frame` has left, right, top, bottom.
const axes = (frame, x, y, labels) => {
  const across = Math.max(2, Math.floor((frame.right - frame.left) / 64));
  const up = Math.max(2, Math.floor((frame.bottom - frame.top) / 40));
  return svg(
    "g",
    { class: "axes", "aria-hidden": "true" },
    y
      .ticks(up)
      .map((tick) => [
        svg("line", { class: "hair", x1: frame.left, x2: frame.right, y1: y(tick), y2: y(tick) }),
        svg("text", { x: frame.left - 8, y: y(tick), dy: "0.32em", "text-anchor": "end" }, labels.tickY(tick)),
      ]),
    x
      .ticks(across)
      .map((tick) => [
        svg("line", { class: "tick", x1: x(tick), x2: x(tick), y1: frame.bottom, y2: frame.bottom + 4 }),
        svg("text", { x: x(tick), y: frame.bottom + 18, "text-anchor": "middle" }, labels.tickX(tick)),
      ]),
    svg("line", { class: "base", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }),
    svg("text", { class: "axis", x: frame.right, y: frame.bottom + 36, "text-anchor": "end" }, labels.x),
    svg("text", { class: "axis", x: 0, y: frame.top - 14 }, labels.y),
  );
};

// A mark of about the same area in any shape.
const markPath = (shape, r) => {
  const [s, t] = [r * 0.89, r * 1.3];
  switch (shape) {
    case "square":
      return `M${-s} ${-s}h${2 * s}v${2 * s}h${-2 * s}z`;
    case "triangle":
      return `M0 ${-t}L${t * 0.9} ${t * 0.6}H${-t * 0.9}z`;
    case "wedge":
      return `M0 ${t}L${t * 0.9} ${-t * 0.6}H${-t * 0.9}z`;
    case "diamond":
      return `M0 ${-t}L${t} 0L0 ${t}L${-t} 0z`;
    case "cross": {
      const a = r * 0.36,
        b = r * 1.2;
      return `M${-a} ${-b}h${2 * a}v${b - a}h${b - a}v${2 * a}h${a - b}v${b - a}h${-2 * a}v${a - b}h${a - b}v${-2 * a}h${b - a}z`;
    }
    default:
      return `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
  }
};

const markKey = (mark) =>
  svg(
    "svg",
    { width: 16, height: 16, viewBox: "-8 -8 16 16", "aria-hidden": "true" },
    svg("path", {
      class: mark.shape === "ring" ? "key hollow" : "key",
      d: markPath(mark.shape, 5),
      style: `color:${mark.color}`,
    }),
  );

const chartSvg = (width, height, label) =>
  svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label });

const deviceTitle = (name) => (facts.devices.find((device) => device.name === name) || { title: name }).title;
