// Numbers for people. k, M, G and T are powers of ten, for bytes too.

const MISSING = "\u2013";
const MINUS = "\u2212";
const THIN = "\u2009";
const PREFIXES = [
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
  [1e-3, "m"],
  [1e-6, "\u00b5"],
  [1e-9, "n"],
];

const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

const prefixOf = (value) =>
  value ? PREFIXES.find(([size]) => size <= Math.abs(value) * (1 + 1e-12)) || PREFIXES.at(-1) : [1, ""];

// So many significant digits, but every digit before the point.
const digits = (value, count = 3) => {
  if (!known(value)) return MISSING;
  if (!value) return "0";
  const decimals = Math.max(0, count - 1 - Math.floor(Math.log10(Math.abs(value)) + 1e-12));
  return grouped(value.toFixed(Math.min(decimals, 20)));
};

const grouped = (text) => {
  const [whole, tail] = text.replace("-", MINUS).split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return tail === undefined ? spaced : `${spaced}.${tail}`;
};

const measure = (value, unit, count = 3) => {
  if (!known(value)) return MISSING;
  const [size, letter] = prefixOf(value);
  return `${digits(value / size, count)} ${letter}${unit}`;
};

const time = (ms, count = 3) => (known(ms) ? measure(ms / 1e3, "s", count) : MISSING);
const bytes = (value, count = 3) => measure(value, "B", count);
const percent = (share, count = 2) =>
  known(share)
    ? share && Math.abs(share) < 0.001
      ? "<0.1 %"
      : `${digits(100 * share, Math.abs(share) >= 0.9995 ? 3 : count)} %`
    : MISSING;
const integer = (value) => (known(value) ? grouped(String(value)) : MISSING);
const intensity = (value) => (known(value) ? `${digits(value)} FLOP/byte` : MISSING);

// A column's texts: one unit, the same decimals, so that digits line up; both suit the middle of the column. Without a
// unit no prefix is looked for.
const columnFormat = (values, unit, count = 4) => {
  const sizes = values
    .filter((value) => typeof value === "number" && value)
    .map(Math.abs)
    .sort((a, b) => a - b);
  const middle = sizes.length ? sizes[Math.floor(sizes.length / 2)] : 1;
  const [size, letter] = unit === undefined ? [1, ""] : prefixOf(middle);
  const whole = values.every((value) => !known(value) || Number.isInteger(value));
  const decimals =
    size === 1 && whole ? 0 : Math.min(6, Math.max(0, count - 1 - Math.floor(Math.log10(middle / size))));
  const least = 10 ** -decimals;
  const text = (value) => {
    if (!known(value)) return MISSING;
    if (typeof value !== "number") return String(value);
    if (!value) return "0";
    const shown = value / size;
    return shown && Math.abs(shown) < least / 2 ? `<${least.toFixed(decimals)}` : grouped(shown.toFixed(decimals));
  };
  return { unit: `${letter}${unit || ""}`, text };
};

// A number as somebody wrote it down.
const plain = (value) => (known(value) ? grouped(String(Number(value.toPrecision(12)))) : MISSING);

// What a column of candidates is, by its name.
const UNITS = { macs: "MAC", flops: "FLOP", traffic_bytes: "B", peak_memory_bytes: "B", sram_bytes: "B", flash_bytes: "B" };
const PLAIN = { params: 1, activations: 1 };
const TITLES = {
  macs: "MACs",
  flops: "FLOPs",
  params: "Parameters",
  activations: "Activations",
  traffic_bytes: "Traffic",
  peak_memory_bytes: "Peak memory",
  sram_bytes: "SRAM",
  flash_bytes: "Flash",
  quality: "Quality",
  accuracy: "Accuracy",
  intensity_flop_per_byte: "Intensity",
  intensity: "Intensity",
};
const titleOf = (name) => TITLES[name] || (name.startsWith("latency_ms@") ? `Latency on ${name.slice(11)}` : name);
// A value of such a column, with its unit.
const valued = (name, value) => {
  if (!known(value)) return MISSING;
  if (typeof value !== "number") return String(value);
  if (name.startsWith("latency_ms")) return time(value);
  if (name in UNITS) return measure(value, UNITS[name]);
  if (name in PLAIN) return measure(value, "").trim();
  return Number.isInteger(value) ? integer(value) : digits(value, 4);
};
