// What made the numbers, and how far to trust them.

const deviceDetails = (device) =>
  el(
    "details",
    { class: "device" },
    el("summary", {}, `${device.title} (${device.name}, ${device.kind})`),
    device.notes ? el("p", { class: "note" }, device.notes) : null,
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ["Figure", "Value", "Source"].map((title, index) =>
            el("th", { scope: "col", class: index === 1 ? "number" : "" }, title),
          ),
        ),
      ),
      el(
        "tbody",
        {},
        device.figures.map((figure) =>
          el(
            "tr",
            {},
            el("td", {}, el("code", {}, figure.key)),
            el("td", { class: "number" }, plain(figure.value)),
            el("td", {}, figure.source),
          ),
        ),
      ),
    ),
  );

const coverage = (network) => {
  const [counted, zero, unknown] = network.coverage;
  return (
    `${network.name}: ${integer(counted)} operators counted, ${integer(zero)} known to compute nothing, ${integer(unknown)} unknown` +
    (network.unknown.length
      ? ` (${network.unknown.join(", ")}: no FLOP formula, counted as 0 FLOPs and their bytes)`
      : "")
  );
};

const runSection = () => {
  const { versions, notes, command } = facts.run;
  const groups = [
    ["How to read them", notes],
    ["Operators covered", facts.networks.map(coverage)],
    ["Versions", [versions.map(([name, number]) => `${name} ${number}`).join(", ")]],
    ["Made by", command ? [el("code", {}, command)] : []],
  ].filter(([, lines]) => lines.length);
  return section(
    "run",
    "About these numbers",
    null,
    el(
      "dl",
      { class: "facts" },
      groups.map(([title, lines]) => [el("dt", {}, title), lines.map((line) => el("dd", {}, line))]),
    ),
    facts.devices.length
      ? figure(
          "Devices",
          "Every figure and who says so. Peaks are dense; sparse ones are never used.",
          facts.devices.map(deviceDetails),
        )
      : null,
  );
};
