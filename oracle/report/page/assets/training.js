// A training step: time and memory by phase, and the batches that devices hold.

const MEMORY = [
  ["weights", "weights_bytes"],
  ["optimiser state", "states_bytes"],
  ["activations, gradients, temporaries", "rest_bytes"],
];
const PHASES = { forward: "forward", backward: "backward", optimizer: "optimiser" };

const phaseTimes = (training) =>
  figure(
    "A training step, by phase",
    `${training.workload} Forward pass, backward pass and the optimiser\u2019s update run one after the other.`,
    ...boundBars(training.phases, (split, whole) => ({
      name: PHASES[split.name] || split.name,
      note: percent(totalOf(split) / whole) + (split.kernels ? `, ${integer(split.kernels)} kernels` : ""),
    })),
  );

const phaseMemory = (training) => {
  const shades = [facts.palette.series[0], facts.palette.series[2], facts.palette.series[3]];
  const whole = (phase) => MEMORY.reduce((sum, [, key]) => sum + phase[key], 0);
  return figure(
    "Peak memory, by phase",
    "The most that is alive at any moment of each phase, the same on every device. Workspace of kernels and what the allocator rounds up come on top.",
    swatches(
      "What memory holds",
      MEMORY.map(([name], index) => ({ name, kind: `m${index}`, color: shades[index] })),
    ),
    el(
      "div",
      { class: "panels" },
      el(
        "div",
        { class: "panel" },
        barList(
          training.memory.map((phase) => ({
            name: PHASES[phase.name],
            value: bytes(whole(phase)),
            note: "",
            parts: MEMORY.map(([name, key], index) => ({
              kind: `m${index}`,
              color: shades[index],
              value: phase[key],
              text: `${name} ${bytes(phase[key])}`,
            })),
          })),
          Math.max(...training.memory.map(whole)),
        ),
      ),
    ),
  );
};

const batches = (fits) => {
  const column = (key, title, more = {}) => ({ key, title, values: fits.map((fit) => fit[key]), ...more });
  // peaks in the unit of the memory beside them
  const sized = (value) => (value < 2 ** 24 ? `${digits(value / 2 ** 10, 4)} KiB` : digits(value / 2 ** 30, 4));
  const gib = { shown: "GiB", text: (value) => (value ? sized(value) : MISSING) };
  return figure(
    "Largest batch that fits",
    "How many images at a time each device\u2019s memory holds: the peak of that batch fits, that of the next one does not. The framework\u2019s own context and kernels\u2019 workspace need room besides (oracle fit --reserve).",
    dataTable(
      "Largest batch that fits",
      [
        column("device", "Device"),
        column("mode", "Mode"),
        column("batch_size", "Batch", { text: (value) => (value ? integer(value) : "none fits") }),
        column("peak_memory_bytes", "Its peak", gib),
        column("next_batch_size", "Next"),
        column("next_peak_memory_bytes", "Its peak", gib),
        column("memory_bytes", "Memory", gib),
      ],
      "largest-batch",
      { one: "line", many: "lines" },
    ).node,
  );
};

const trainingFigures = (training) => [
  Object.keys(training.phases).length ? phaseTimes(training) : null,
  training.memory.length ? phaseMemory(training) : null,
  training.fits.length ? batches(training.fits) : null,
  ...training.missing.map((reason) => el("p", { class: "note" }, reason)),
];
