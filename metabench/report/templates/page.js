// What the page does beyond being read; without it nothing is missing but these comforts.
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);

// Tables: a click on a heading sorts the rows, within each block.
const valueOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
};

const order = (one, other) => {
  const missing = (value) => value === "–" || value === "";
  if (missing(one) || missing(other)) return missing(one) - missing(other);
  if (typeof one === typeof other && typeof one === "number") return one - other;
  return String(one).localeCompare(String(other), "en", { numeric: true });
};

const sortBy = (table, heading) => {
  const column = heading.cellIndex;
  const falls = heading.getAttribute("aria-sort") === "ascending";
  all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", falls ? "descending" : "ascending");
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("of"));
    rows.sort((one, other) => (falls ? -1 : 1) * order(valueOf(one, column), valueOf(other, column)));
    body.append(...rows);
  }
};

for (const table of all("table.sortable")) {
  for (const heading of all("thead th", table)) {
    const button = make("button", { type: "button", className: "sort" });
    if (heading.querySelector("a")) {
      button.setAttribute("aria-label", `Sort by ${heading.textContent.trim()}`);
      heading.querySelector("a").after(button);
    } else {
      const label = [...heading.childNodes].filter((node) => node.nodeName !== "SMALL");
      heading.prepend(button);
      button.append(...label);
    }
    button.addEventListener("click", () => sortBy(table, heading));
  }
}

// Long tables: a field that leaves the rows with what is typed.
const LONG = 13;

const keep = (table, text, told) => {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const body of table.tBodies) {
    const rows = [...body.rows];
    const title = rows.find((row) => row.classList.contains("of"));
    const inside = rows.filter((row) => row !== title);
    for (const row of inside) {
      const said = `${title ? title.textContent : ""} ${row.textContent}`.toLowerCase();
      row.hidden = !words.every((word) => said.includes(word));
      left += !row.hidden;
    }
    if (title) title.hidden = inside.every((row) => row.hidden);
  }
  told.textContent = words.length ? `${left} rows` : "";
};

for (const table of all("table.sortable")) {
  if (all("tbody tr:not(.of)", table).length < LONG) continue;
  const field = make("input", { type: "search" });
  const label = make("label", { className: "filter", textContent: "Filter rows " });
  const told = make("output", { className: "small" });
  label.append(field, " ", told);
  table.closest(".scroll").before(label);
  field.addEventListener("input", () => keep(table, field.value, told));
}

// What scrolls is a stop of the tab key; what does not is none.
const stops = () => {
  for (const region of all(".scroll, pre[role=region]")) {
    const scrolls = region.scrollWidth > region.clientWidth + 1;
    if (scrolls) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }
};
stops();
addEventListener("resize", stops);

// Figures: saved with the colours and letters that the page gives them, always on light paper.
const PROPERTIES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray",
  "stroke-opacity", "stroke-linejoin", "stroke-linecap", "opacity", "font-size", "font-family",
  "font-weight", "text-anchor", "dominant-baseline", "paint-order", "image-rendering"];

const standalone = (svg) => {
  document.documentElement.classList.add("on-paper");
  const copy = svg.cloneNode(true);
  const drawn = all("*", svg);
  all("*", copy).forEach((element, at) => {
    const style = getComputedStyle(drawn[at]);
    // a mark that is drawn elsewhere takes from there what it does not say itself
    const shared = drawn[at].closest("defs") && getComputedStyle(drawn[at].parentNode);
    for (const name of PROPERTIES) {
      const value = style.getPropertyValue(name);
      const own = !shared || value !== shared.getPropertyValue(name);
      if (value && own) element.style.setProperty(name, value);
    }
    element.removeAttribute("class");
  });
  document.documentElement.classList.remove("on-paper");
  for (const use of all("use", copy)) {  // a picture that another figure of the sheet holds
    const id = use.getAttribute("href").slice(1);
    if (!all("[id]", copy).some((element) => element.id === id)) {
      const shared = document.getElementById(id);
      if (shared) copy.prepend(make("g"), shared.parentNode.cloneNode(true));
    }
  }
  const [, , width, height] = svg.getAttribute("viewBox").split(/\s+/).map(Number);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  return { text: new XMLSerializer().serializeToString(copy), width, height };
};

const save = (address, name) => {
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
};

const addressOf = (text) => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;

const savePicture = ({ text, width, height }, name) => {
  const image = new Image();
  image.onload = () => {
    const canvas = make("canvas", { width: 3 * width, height: 3 * height });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    save(canvas.toDataURL("image/png"), name);
  };
  image.src = addressOf(text);
};

for (const figure of all("figure")) {
  const svg = figure.querySelector("svg[role=img]");
  if (!svg) continue;
  const title = svg.querySelector("title");
  const name = title.id.replace(/-title$/, "");
  const buttons = make("span", { className: "save" });
  for (const kind of ["SVG", "PNG"]) {
    const button = make("button", { type: "button", textContent: kind });
    button.setAttribute("aria-label", `Save as ${kind}: ${title.textContent}`);
    button.addEventListener("click", () => {
      const drawing = standalone(svg);
      if (kind === "SVG") save(addressOf(drawing.text), `${name}.svg`);
      else savePicture(drawing, `${name}.png`);
    });
    buttons.append(button);
  }
  figure.append(buttons);
}

// A link to a block that is folded away unfolds it; so does printing.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") target.open = true;
};
unfold();
addEventListener("hashchange", unfold);
addEventListener("beforeprint", () => all("details.block").forEach((block) => (block.open = true)));
