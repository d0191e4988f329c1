// A table that sorts, filters and downloads. Only one page of it is in the document at a time.

const PAGE = 25;
const FEW = 8; // rows that nobody needs to filter

// columns: {key, title, values, unit?, shown?, text?(value), wide?, screen?}. Numbers stand to the right; with a unit, "" too,
// they get a prefix; `shown` is a unit that needs none. On paper, which does not scroll, columns with `screen` are left out.
const dataTable = (name, columns, file, options = {}) => {
  const size = columns.length ? columns[0].values.length : 0;
  const formats = columns.map((column) => {
    const number = column.values.some((value) => typeof value === "number");
    const format = columnFormat(column.values, column.unit);
    return {
      number,
      unit: column.unit === undefined ? column.shown || "" : format.unit,
      text: column.text || (number ? format.text : (value) => (known(value) ? String(value) : MISSING)),
    };
  });
  let [order, sorted, way, page, query] = [[...Array(size).keys()], null, 1, 0, null];
  let shown = order;
  let [mask, hay, unknown] = [null, null, ""];

  const haystack = () => {
    if (!hay) {
      const texts = columns.filter((_, c) => !formats[c].number);
      hay = Array.from({ length: size }, (_, row) =>
        texts
          .map((column) => String(column.values[row] ?? ""))
          .join("\u0001")
          .toLowerCase(),
      );
    }
    return hay;
  };

  // `conv time_ms>0.1`: every word must be found, every condition must hold.
  const parse = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    unknown = "";
    if (!words.length) return null;
    const tests = words.map((word) => {
      const condition = word.match(/^(.+?)(<=|>=|<|>|=)([-+]?[\d.]+(?:e[-+]?\d+)?)$/);
      const column = condition && columns.find((other) => other.key.toLowerCase() === condition[1]);
      if (condition && !column) unknown = condition[1];
      if (!column) return (row) => haystack()[row].includes(word);
      const [limit, values] = [Number(condition[3]), column.values];
      const compare = {
        "<": (v) => v < limit,
        ">": (v) => v > limit,
        "<=": (v) => v <= limit,
        ">=": (v) => v >= limit,
        "=": (v) => v === limit,
      }[condition[2]];
      return (row) => known(values[row]) && compare(values[row]);
    });
    return (row) => tests.every((test) => test(row));
  };

  const kindOf = (column, c) =>
    `${formats[c].number ? "number" : column.wide ? "wide" : ""}${column.screen ? " screen" : ""}`.trim();
  const head = columns.map((column, c) => {
    const button = el("button", { type: "button", onclick: () => sortBy(c) }, column.title);
    return el(
      "th",
      { scope: "col", class: kindOf(column, c), "aria-sort": "none" },
      button,
      el("span", { class: "unit" }, formats[c].unit || "\u00a0"),
    );
  });
  const body = el("tbody");
  const status = el("p", { class: "status", role: "status" });
  const [previous, next] = [
    ["Previous", -1],
    ["Next", 1],
  ].map(([text, step]) =>
    el(
      "button",
      {
        type: "button",
        onclick: () => {
          page += step;
          render();
        },
      },
      text,
    ),
  );

  const render = () => {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    page = Math.max(0, Math.min(page, pages - 1));
    const rows = shown.slice(page * PAGE, (page + 1) * PAGE);
    body.replaceChildren(
      ...rows.map((row) =>
        el(
          "tr",
          {},
          columns.map((column, c) => el("td", { class: kindOf(column, c) }, formats[c].text(column.values[row], row))),
        ),
      ),
    );
    if (!rows.length)
      body.append(el("tr", {}, el("td", { colspan: columns.length, class: "none" }, "Nothing matches.")));
    previous.disabled = page === 0;
    next.disabled = page >= pages - 1;
    pager.hidden = pages === 1;
    const [first, last] = [page * PAGE + 1, page * PAGE + rows.length];
    const part = pages > 1 ? `${integer(first)}\u2013${integer(last)} of ` : "";
    status.textContent =
      `${part}${integer(shown.length)} ${shown.length === 1 ? options.one || "row" : options.many || "rows"}` +
      (shown.length < size ? `, of ${integer(size)}` : "") +
      (unknown ? `; there is no column ${unknown}` : "");
  };

  const select = () => {
    shown = order.filter((row) => (!query || query(row)) && (!mask || mask[row]));
    render();
  };

  const sortBy = (c) => {
    way = sorted === c ? -way : formats[c].number ? -1 : 1;
    sorted = c;
    const values = columns[c].values;
    const compare = formats[c].number
      ? (a, b) => a - b
      : (a, b) => String(a).localeCompare(String(b), "en", { numeric: true });
    order = [...order].sort((i, j) => {
      const [a, b] = [values[i], values[j]];
      if (!known(a) || !known(b)) return known(a) ? -1 : known(b) ? 1 : 0;
      return way * compare(a, b);
    });
    head.forEach((cell, k) => cell.setAttribute("aria-sort", k !== c ? "none" : way > 0 ? "ascending" : "descending"));
    page = 0;
    select();
  };

  const quoted = (value) => {
    const text = known(value) ? String(value) : "";
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const download = () => {
    const lines = [
      columns.map((column) => quoted(column.key)),
      ...shown.map((row) => columns.map((column) => quoted(column.values[row]))),
    ];
    const link = el("a", {
      href: URL.createObjectURL(new Blob([lines.map((line) => `${line.join(",")}\n`).join("")], { type: "text/csv" })),
      download: `${file}.csv`,
    });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  const hint = columns.filter((_, c) => formats[c].number).sort((a, b) => a.key.length - b.key.length)[0];
  const filter = el("input", {
    type: "search",
    placeholder: `words, or ${hint ? hint.key : "column"}>1`,
    "aria-label": `Filter ${name}`,
    oninput: () => {
      query = parse(filter.value);
      page = 0;
      select();
      if (options.onfilter)
        options.onfilter(query ? Uint8Array.from({ length: size }, (_, row) => (query(row) ? 1 : 0)) : null);
    },
  });
  const pager = el("div", { class: "pager" }, previous, next);
  const keys = el(
    "details",
    { class: "keys" },
    el("summary", {}, "Columns to filter by"),
    el(
      "p",
      {},
      columns.map((column, c) => [c ? ", " : "", el("code", {}, column.key)]),
    ),
  );
  const few = size <= FEW;
  const node = el(
    "div",
    { class: "table" },
    el(
      "div",
      { class: "tools" },
      few ? null : el("label", { class: "choice" }, el("span", {}, "Filter"), filter),
      status,
      el("button", { type: "button", class: "download", onclick: download }, "Download CSV"),
    ),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": name },
      el("table", {}, el("caption", { class: "hidden" }, name), el("thead", {}, el("tr", {}, head)), body),
    ),
    few ? null : el("div", { class: "below" }, pager, keys),
  );
  render();
  if (options.sort !== undefined) sortBy(options.sort);
  return {
    node,
    restrict: (found) => {
      mask = found;
      page = 0;
      select();
    },
  };
};
