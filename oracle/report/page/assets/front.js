// Parts of scatter plots: axes that suit their values, the steps of a front, names where there is room.

// axis: {values, title, text(value), maximise}; log where all is positive and the range asks for it.
const axisScale = ({ values }, from, to) => {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) if (known(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const isLog = low > 0 && high / low > 3;
  const [start, end] = padded([low, high].filter(Number.isFinite), isLog, 0.04);
  return (isLog ? logScale : linearScale)(start, end, from, to);
};

// Through points on a front: what is reached at least, between one and the next.
const staircase = (places, maximiseX) =>
  places.map(([x, y], index) => (index ? (maximiseX ? `V${y}H${x}` : `H${x}V${y}`) : `M${x} ${y}`)).join("");

// Names beside points where there is room for them; to the left first, where no front passes.
const nameLabels = (places, names, frame) => {
  const taken = names.map((_, row) => [places[2 * row] - 5, places[2 * row + 1] - 5, 10, 10]);
  const free = (one) =>
    one[0] >= frame.left - 4 &&
    one[0] + one[2] <= frame.right + 8 &&
    one[1] >= frame.top - 12 &&
    one[1] + one[3] <= frame.bottom + 4 &&
    !taken.some(
      (other) =>
        one[0] < other[0] + other[2] &&
        other[0] < one[0] + one[2] &&
        one[1] < other[1] + other[3] &&
        other[1] < one[1] + one[3],
    );
  return svg(
    "g",
    { class: "names", "aria-hidden": "true" },
    names.map((name, row) => {
      const [px, py] = [places[2 * row], places[2 * row + 1]];
      if (Number.isNaN(px) || name.length > 40) return null;
      const [width, height] = [name.length * 6.4, 14];
      const spots = [
        [px - 8 - width, py - 7, "end", px - 8],
        [px + 8, py - 7, "start", px + 8],
        [px - width / 2, py - 21, "middle", px],
        [px - width / 2, py + 8, "middle", px],
      ];
      const spot = spots.find(([left, top]) => free([left, top, width, height]));
      if (!spot) return null;
      taken.push([spot[0], spot[1], width, height]);
      return svg("text", { x: spot[3], y: spot[1] + 11, "text-anchor": spot[2] }, name);
    }),
  );
};
