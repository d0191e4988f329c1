// Which candidates are chosen: by a rectangle in one figure, a range on an axis, the filter of a table. All figures follow.

const selection = (size) => {
  const masks = new Map();
  const followers = [];
  let mask = null;

  const combine = () => {
    mask = null;
    for (const other of masks.values()) {
      mask = mask ? mask.map((flag, row) => flag & other[row]) : Uint8Array.from(other);
    }
    followers.forEach((follow) => follow(mask));
  };

  return {
    // Who chooses, and which: a flag per candidate, or null for no restriction. Rectangles replace each other.
    set: (who, flags) => {
      if (flags) masks.set(who, flags);
      else if (!masks.delete(who)) return;
      combine();
    },
    clear: () => {
      masks.clear();
      combine();
    },
    follow: (follow) => followers.push(follow),
    mask: () => mask,
    has: (who) => masks.has(who),
    count: () => (mask ? mask.reduce((sum, flag) => sum + flag, 0) : size),
  };
};

// How many are chosen, and a way out.
const selectionStatus = (chosen, size, noun) => {
  const text = el("span", {});
  const clear = el("button", { type: "button", onclick: () => chosen.clear() }, "Clear selection");
  const show = (mask) => {
    text.textContent = mask
      ? `${integer(chosen.count())} of ${integer(size)} ${noun} selected`
      : "Drag over a figure to select";
    clear.disabled = !mask;
  };
  chosen.follow(show);
  show(chosen.mask());
  return [el("span", { class: "note", role: "status" }, text), clear];
};
