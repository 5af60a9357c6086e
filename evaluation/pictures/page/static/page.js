// Puts the page together when its data are there: filters, sorting, keys, colours, and which view is shown.
"use strict";

const KEY = "mocrop-gallery-colours";

gallery.nameParts = (clip) => {
  const cut = clip.name.lastIndexOf("/");
  return [clip.name.slice(0, Math.max(0, cut)), clip.name.slice(cut + 1)];
};

/** Light or dark: as the system has it, until a button is pressed. */
const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
gallery.themeButtons = () => {
  for (const button of document.querySelectorAll("button.theme")) {
    const words = `Switch to ${isDark() ? "light" : "dark"} colours`;
    button.textContent = isDark() ? "☀" : "☾";
    button.setAttribute("aria-label", words);
    button.title = words;
  }
};

gallery.data = (data) => {
  const { make } = gallery;
  const byId = (id) => document.getElementById(id);
  const chosen = gallery.everything();
  gallery.ways = data.ways;
  gallery.splits = data.splits;
  gallery.clips = data.list;
  const addresses = new Map();
  data.list.forEach((clip, number) => {
    clip.number = number;
    clip.picture ??= `page/pictures/${number}.jpg`;
    clip.classes = clip.labels.map((label) => data.classes[label]).join(", ") || "no class";
    clip.address = `#/clip/${encodeURIComponent(clip.name)}`;
    if (addresses.has(clip.address)) clip.address += `~${number}`;
    addresses.set(clip.address, clip);
  });
  gallery.aspect = middleAspect(data.list);
  document.documentElement.style.setProperty("--aspect", gallery.aspect);
  byId("title").textContent = data.title;

  const list = gallery.list();
  const view = gallery.clipView(list);

  const update = () => {
    const found = gallery.select(gallery.clips, chosen);
    const number = (value) => value.toLocaleString("en");
    const rest = data.of > data.clips ? `, of ${number(data.of)} in all` : "";
    byId("count").textContent = found.length === data.clips ? `${number(found.length)} clips${rest}` : `${number(found.length)} of ${number(data.clips)} clips${rest}`;
    byId("none").hidden = found.length > 0;
    const count = gallery.inUse(chosen);
    byId("active").textContent = count ? ` ${count}` : "";
    byId("legend").querySelectorAll("li").forEach((each, way) => each.classList.toggle("off", chosen.way >= 0 && chosen.way !== way));
    list.show(found, chosen);
  };

  makeFilters(data, chosen, () => { scrollTo(0, 0); update(); });
  byId("legend").append(...data.ways.map((way) =>
    make("li", {}, make("span", { class: "swatch", style: `--way: ${way.colour}` }), make("b", { text: way.name }), make("span", { text: way.words }))));

  // which view
  let back = null; // where the list was
  const route = () => {
    const clip = addresses.get(location.hash) ?? addresses.get(location.hash.replaceAll("'", "%27"));
    const all = byId("all");
    if (clip) {
      if (!all.hidden) back = scrollY;
      all.hidden = true;
      back = { top: typeof back === "number" ? back : back?.top ?? 0, clip };
      document.title = `${clip.name} · ${data.title} · mocrop gallery`;
      view.open(clip);
      return;
    }
    view.close();
    document.title = `${data.title} · mocrop gallery`;
    all.hidden = false;
    list.layOut();
    if (back) {
      scrollTo(0, back.top);
      const place = list.placeOf(back.clip);
      if (place >= 0) list.goTo(place);
      back = null;
    }
  };
  addEventListener("hashchange", route);

  // keys
  const filters = byId("filters");
  const openFilters = (open) => {
    filters.classList.toggle("open", open);
    byId("open-filters").setAttribute("aria-expanded", open);
  };
  byId("close-filters").addEventListener("click", () => { openFilters(false); byId("open-filters").focus(); });
  byId("open-filters").addEventListener("click", () => openFilters(!filters.classList.contains("open")));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches?.("input:not([type=checkbox]):not([type=radio]), select, textarea");
    if (event.key === "/" && !typing && !view.isOpen()) {
      event.preventDefault();
      byId("search").focus();
    } else if (event.key === "Escape" && view.isOpen()) {
      location.hash = "#/";
    } else if (event.key === "Escape" && filters.classList.contains("open")) {
      openFilters(false);
      byId("open-filters").focus();
    } else if (event.key === "Escape" && event.target === byId("search")) {
      list.goTo(0);
    } else if (view.isOpen() && !typing && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      document.querySelector(`#clip a[aria-label="${event.key === "ArrowLeft" ? "Previous" : "Next"} clip"]`)?.click();
    }
  });
  byId("clear").addEventListener("click", () => filters.reset());

  // colours
  addEventListener("click", (event) => {
    if (!event.target.closest?.("button.theme")) return;
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem(KEY, document.documentElement.dataset.theme); } catch { /* a browser that keeps nothing */ }
    gallery.themeButtons();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", gallery.themeButtons);

  gallery.themeButtons();
  update();
  route();
  document.documentElement.dataset.ready = performance.now().toFixed(0);
};

try {
  const kept = localStorage.getItem(KEY);
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
} catch { /* a browser that keeps nothing */ }

/** The shape that most frames have, within limits. */
function middleAspect(clips) {
  const aspects = clips.filter((clip) => clip.sheet).map((clip) => clip.size[0] / clip.size[1]).sort((a, b) => a - b);
  return Math.min(1.8, Math.max(0.8, aspects[Math.floor(aspects.length / 2)] ?? 4 / 3));
}

/** Fill the form of filters and the box of sorts; `changed` is called after every change. */
function makeFilters(data, chosen, changed) {
  const { make } = gallery;
  const form = document.getElementById("filters");
  const search = document.getElementById("search");
  const sort = document.getElementById("sort");
  const direction = document.getElementById("direction");

  const group = (title, ...inside) => make("fieldset", {}, make("legend", { text: title }), ...inside);
  const option = (kind, name, value, words, count, checked = false) =>
    make("label", { class: "option" }, make("input", { type: kind, name, value, checked }), make("span", { text: words }),
      count === null ? null : make("small", { text: count.toLocaleString("en") }));

  /** Boxes to tick, one for each value that a clip has; none where all clips have the same. */
  const ticks = (name, title, wordsOf = (value) => value, order = null) => {
    const counts = gallery.countValues(name, gallery.clips, chosen);
    const values = order ? order.filter((value) => counts.has(value)) : [...counts.keys()].sort();
    if (values.length < 2 && name !== "reason") return null;
    if (!values.length) return null;
    const rows = values.map((value) => option("checkbox", name, value, wordsOf(value), counts.get(value)));
    return group(title, make("div", { class: "options" }, ...rows));
  };

  const classes = [...data.classes.keys()].map(String);
  const wordsOfClass = (value) => (value === "-1" ? "no class" : data.classes[value]);
  const ways = data.ways.length > 1
    ? group("Policy", make("div", { class: "options" }, option("radio", "way", -1, "all side by side", null, true), ...data.ways.map((way, n) => option("radio", "way", n, way.name, null))))
    : null;
  const splits = make("label", { class: "row", hidden: data.splits.length < 2 }, make("span", { text: "of split" }),
    make("select", { name: "split" }, ...data.splits.map((name, n) => make("option", { value: n, text: name }))));
  const subset = ticks("subset", "Subset", undefined, SUBSETS.slice(1).concat(SUBSETS[0]));
  subset?.querySelector(".options").before(splits);
  const range = (name, words, value) => make("label", { class: "row" }, make("span", { text: words }),
    make("input", { type: "range", name, min: 0, max: 100, value, "aria-label": `confidence ${words}`, "aria-valuetext": `${value} %` }), make("span", { class: "value", text: `${value} %` }));
  const answer = ticks("answer", "Answer", (value) => ({ right: "right", wrong: "wrong", none: "no answer" })[value], ["right", "wrong", "none"]);
  const confidence = data.report ? group("Confidence", range("least", "at least", 0), range("most", "at most", 100)) : null;
  const wanted = [ways, ticks("label", "Class", wordsOfClass, classes.concat("-1")), subset, answer, confidence, ticks("camera", "Camera", undefined, ["still", "moving", UNKNOWN]), ticks("state", "State"), ticks("reason", "Reason")];
  form.append(...wanted.filter(Boolean));

  for (const [key, { words }] of Object.entries(gallery.sorts)) {
    if (key !== "confidence" || data.report) sort.append(make("option", { value: key, text: words }));
  }
  const showDirection = () => {
    const words = chosen.down ? "Sorted downwards; sort upwards" : "Sorted upwards; sort downwards";
    direction.textContent = chosen.down ? "↓" : "↑";
    direction.setAttribute("aria-label", words);
    direction.title = words;
  };

  const read = () => {
    const fields = new FormData(form);
    for (const name of Object.keys(gallery.facets)) chosen.wanted[name] = new Set(fields.getAll(name));
    chosen.way = Number(fields.get("way") ?? -1);
    chosen.split = Number(fields.get("split") ?? 0);
    [chosen.least, chosen.most] = [Number(fields.get("least") ?? 0) / 100, Number(fields.get("most") ?? 100) / 100];
    for (const input of form.querySelectorAll("input[type=range]")) {
      input.nextSibling.textContent = `${input.value} %`;
      input.setAttribute("aria-valuetext", `${input.value} %`);
    }
    changed();
  };
  form.addEventListener("input", read);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    search.value = chosen.text = "";
    setTimeout(read); // when the fields have their first values again
  });
  search.addEventListener("input", () => { chosen.text = search.value; changed(); });
  search.addEventListener("keydown", (event) => { if (event.key === "Enter") document.querySelector("#list .card")?.focus(); });
  sort.addEventListener("change", () => {
    chosen.sort = sort.value;
    chosen.down = Boolean(gallery.sorts[sort.value].down);
    showDirection();
    changed();
  });
  direction.addEventListener("click", () => { chosen.down = !chosen.down; showDirection(); changed(); });
  showDirection();
}
