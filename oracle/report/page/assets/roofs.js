// The roofs over kernels: what memory and arithmetic allow, and their names.

// Where along a slope a label is furthest from all marks.
const freestSpot = (spots, marks) => {
  const room = ([px, py]) => Math.min(Infinity, ...marks.map(([mx, my]) => Math.hypot(mx - px, my - py)));
  return spots.reduce((best, spot) => (room(spot) > room(best) ? spot : best));
};

const roofsOf = (on, slopes, x, y, x0, right) => {
  const fastest = Math.max(...slopes.map((slope) => slope.bytes_per_s));
  const peak = on.ceilings[0].flops_per_s;
  return [
    slopes.map(({ bytes_per_s: rate }, index) =>
      svg("line", {
        class: index ? "roof inner" : "roof",
        x1: x(x0),
        y1: y(x0 * rate),
        x2: x(peak / rate),
        y2: y(peak),
      }),
    ),
    on.ceilings.map(({ flops_per_s: rate }, index) =>
      svg("line", {
        class: index ? "roof lower" : "roof",
        x1: x(rate / fastest),
        y1: y(rate),
        x2: right,
        y2: y(rate),
      }),
    ),
  ];
};

const LETTER = 6.8; // pixels, on average

// What a flat roof is called where so much of it is free: `float16, vector unit`, or in fewer words.
const roofName = (rate, name, room) => {
  const [dtype, unit] = name.replace(" unit", "").split(", ");
  const texts = [name, [dtype, unit].filter(Boolean).join(" "), unit || dtype].map(
    (words) => `${measure(rate, "FLOP/s")} ${words}`,
  );
  return texts.find((text) => text.length * LETTER < room) || texts.at(-1);
};

const roofLabels = (on, slopes, x, y, frame, marks) => {
  const [left, right] = [x.invert(frame.left), x.invert(frame.right)];
  const decade = [x(10 * left) - x(left), y(1) - y(10)];
  const fastest = Math.max(...slopes.map((slope) => slope.bytes_per_s));
  const angle = (-Math.atan2(decade[1], decade[0]) * 180) / Math.PI;
  const flat = on.ceilings.map(({ flops_per_s: rate, name }, index) =>
    svg(
      "text",
      {
        // the lower ones' labels below, clear of the slope
        x: frame.right,
        y: y(rate) + (index ? 16 : -9),
        "text-anchor": "end",
      },
      roofName(rate, name, frame.right - (index ? x(rate / fastest) : frame.left)),
    ),
  );
  const steep = slopes.map(({ bytes_per_s: rate, name }) => {
    const [from, to] = [
      Math.max(frame.left, x(y.invert(frame.bottom) / rate)),
      Math.min(frame.right, x(on.ceilings[0].flops_per_s / rate)),
    ];
    const spots = [0.22, 0.3, 0.38, 0.46, 0.54, 0.62, 0.7].map((t) => [
      from + t * (to - from),
      y(x.invert(from + t * (to - from)) * rate),
    ]);
    const [px, py] = freestSpot(spots, marks);
    return svg(
      "text",
      { transform: `translate(${px} ${py}) rotate(${angle}) translate(0 -8)`, "text-anchor": "middle" },
      `${measure(rate, "B/s")} ${name}`,
    );
  });
  const ridge = on.time.ridge;
  if (!(ridge > left && ridge < right)) return svg("g", { class: "labels", "aria-hidden": "true" }, flat, steep);
  const [px, py] = [x(ridge), y(ridge * slopes[0].bytes_per_s)];
  const side = px > (frame.left + frame.right) / 2 ? { x: px - 6, "text-anchor": "end" } : { x: px + 6 };
  return svg(
    "g",
    { class: "labels", "aria-hidden": "true" },
    flat,
    steep,
    svg("line", { class: "ridge", x1: px, x2: px, y1: py, y2: frame.bottom }),
    svg("text", { ...side, y: frame.bottom - 8 }, `ridge ${digits(ridge)} FLOP/byte`),
  );
};
