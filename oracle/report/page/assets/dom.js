// Elements. Text becomes text nodes, never markup.

const SVG_NS = "http://www.w3.org/2000/svg";

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") element.style.cssText = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG_NS, tag), attributes, children);

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

let counter = 0;
const unique = (prefix) => `${prefix}-${++counter}`;

// A section with a heading that the navigation finds.
const section = (id, title, lead, ...children) =>
  el(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    el("h2", { id: `${id}-title` }, title),
    lead ? el("p", { class: "lead" }, lead) : null,
    children,
  );

// A figure: a title that says what it is, a caption that says how to read it, and what it shows.
const figure = (title, caption, ...children) => {
  const id = unique("figure");
  return el(
    "figure",
    { "aria-labelledby": id },
    el("figcaption", {}, el("h3", { id }, title), caption ? el("p", {}, caption) : null),
    children,
  );
};

const choice = (label, options, chosen, onchange) => {
  const select = el(
    "select",
    { onchange: () => onchange(select.value) },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)),
  );
  return el("label", { class: "choice" }, el("span", {}, label), select);
};

// Draw into a box once it has a width, and again whenever that changes. Returns what draws it again, once per frame.
const responsive = (box, draw) => {
  let [last, due] = [0, 0];
  const update = () => {
    due = 0;
    const width = Math.floor(box.clientWidth);
    if (width && width !== last) {
      last = width;
      draw(width);
    }
  };
  const later = () => {
    if (!due) due = requestAnimationFrame(update);
  };
  new ResizeObserver(later).observe(box);
  return () => {
    last = 0;
    later();
  };
};

// One tab stop for many marks: arrow keys go from one to the next, Home and End to the ends.
const roving = (marks, onfocus, onblur) => {
  marks.forEach((mark, index) => {
    mark.setAttribute("tabindex", index ? "-1" : "0");
    mark.addEventListener("focus", () => {
      marks.forEach((other) => other.setAttribute("tabindex", other === mark ? "0" : "-1"));
      onfocus(index, mark);
    });
    mark.addEventListener("blur", () => onblur(index, mark));
    mark.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const next =
        event.key === "Home"
          ? 0
          : event.key === "End"
            ? marks.length - 1
            : step
              ? (index + step + marks.length) % marks.length
              : null;
      if (next !== null) {
        event.preventDefault();
        marks[next].focus();
      }
    });
  });
};

// The tip: pairs of label and value beside the pointer or the focused mark.
const tip = document.getElementById("tip");
const showTip = (title, pairs, x, y) => {
  tip.replaceChildren(
    el("strong", {}, title),
    el(
      "dl",
      {},
      pairs.map(([label, value]) => [el("dt", {}, label), el("dd", {}, value)]),
    ),
  );
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 16 + width > innerWidth ? x - 16 - width : x + 16;
  const top = y + 16 + height > innerHeight ? y - 16 - height : y + 16;
  tip.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  tip.style.top = `${Math.max(8, top)}px`;
};
const hideTip = () => {
  tip.hidden = true;
};
const tipAt = (mark, title, pairs) => {
  const box = mark.getBoundingClientRect();
  showTip(title, pairs, box.right, box.bottom);
};
addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});
addEventListener("scroll", hideTip, { passive: true });

// What a colour of the style is now: the scheme may change, and paper is always light.
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const schemes = ["(prefers-color-scheme: dark)", "print"].map((query) => matchMedia(query));
const onScheme = (redraw) => schemes.forEach((query) => query.addEventListener("change", redraw));
