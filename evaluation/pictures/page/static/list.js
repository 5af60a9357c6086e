// The list of cards. Only the rows in sight, and a few around them, are in the page, however many clips there are.
"use strict";

const ROWS_AROUND = 2;

gallery.list = () => {
  const { make } = gallery;
  const list = document.getElementById("list");
  const cards = new Map(); // those in the page, by the number of the clip
  let clips = [];
  let chosen = gallery.everything();
  let current = 0; // place of the card that Tab leads to
  let columns = 1;
  let rowHeight = 300;

  /** The frame of a card that stands for the clip: the middle one. */
  const middle = (clip) => Math.floor(clip.frames.length / 2);

  const badges = (clip) => {
    const states = new Set(gallery.cropsOf(clip, chosen).map((crops) => crops.state));
    states.delete("cropped");
    const found = [...states].map((state) => make("span", { class: state === "failed" ? "badge bad" : "badge", text: state }));
    if (clip.answer) {
      const [label, confidence, right] = clip.answer;
      const words = right ? "right" : `wrong: ${label}`;
      found.push(make("span", { class: right ? "badge right" : "badge wrong", title: words, text: `${right ? "✓" : "✗"} ${gallery.percent(confidence)}` }, make("span", { class: "hidden", text: ` ${words}` })));
    }
    return found;
  };

  const picture = (clip, row, kind, words) => {
    const element = make("div", { class: `picture ${kind}`, role: "img", "aria-label": words });
    if (gallery.hasPicture(clip, row)) gallery.showPicture(element, clip, row, middle(clip));
    else element.classList.add("lacking");
    return element;
  };

  const makeFrame = (clip) => {
    const words = clip.words ? "no frame" : `${gallery.hasPicture(clip, 0) ? "" : "boxes in "}frame ${clip.frames[middle(clip)]}`;
    const frame = picture(clip, 0, "still", words);
    frame.style.aspectRatio = `${clip.size[0]} / ${clip.size[1]}`;
    if (clip.size[0] / clip.size[1] < gallery.aspect) frame.classList.add("tall");
    const layer = gallery.layer(clip, "boxes");
    gallery.drawBoxes(layer, clip, middle(clip), chosen.way);
    frame.append(layer);
    const why = clip.words ? make("p", { class: "why", text: clip.words }) : null;
    return make("div", { class: "frame" }, why ?? frame, make("div", { class: "ticks" }, ...clip.frames.map(() => make("i"))));
  };

  const makeCrops = (clip) => {
    const shown = clip.crops.map((crops, way) => [crops, way]).filter(([, way]) => chosen.way < 0 || way === chosen.way);
    const side = Math.ceil(Math.sqrt(shown.length));
    return make("div", { class: "crops", style: `--side: ${side}` }, ...shown.map(([crops, way]) => {
      const crop = picture(clip, 1 + way, "crop", `crop by ${gallery.ways[way].name}, ${crops.state}`);
      crop.dataset.way = way;
      crop.style.setProperty("--way", gallery.ways[way].colour);
      const [wide, high] = crops.shape ?? [1, 1];
      crop.style.aspectRatio = `${wide} / ${high}`;
      if (wide / high < Math.ceil(shown.length / side) / side) crop.classList.add("tall"); // than its cell
      return make("div", { class: "cell" }, crop);
    }));
  };

  const makeCard = (clip) => {
    const [folder, name] = gallery.nameParts(clip);
    const link = make("a", { class: "card", href: clip.address, "data-number": clip.number },
      make("div", { class: "pictures" }, makeFrame(clip), makeCrops(clip)),
      make("div", { class: "words" },
        make("span", { class: "name", title: clip.name, text: name }),
        make("span", { class: "badges" }, ...badges(clip)),
        make("span", { class: "class", text: clip.classes || folder }),
        make("span", { class: "fact", text: clip.still === null ? "" : clip.still ? "still camera" : "moving camera" }),
      ));
    return make("li", {}, link);
  };

  /** Show the n-th key frame of a card, with boxes and crops of that frame. */
  const showFrame = (card, clip, n) => {
    const still = card.querySelector(".still");
    if (still) {
      if (gallery.hasPicture(clip, 0)) gallery.showPicture(still, clip, 0, n);
      gallery.drawBoxes(still.firstChild, clip, n, chosen.way);
    }
    for (const crop of card.querySelectorAll(".crop:not(.lacking)")) gallery.showPicture(crop, clip, 1 + Number(crop.dataset.way), n);
    card.querySelectorAll(".ticks i").forEach((tick, at) => tick.classList.toggle("on", at === n));
  };

  let stop = null;
  const endPlaying = () => { stop?.(); stop = null; };
  const startPlaying = (card) => {
    endPlaying();
    const clip = gallery.clips[card.dataset.number];
    if (gallery.calm() || !clip.sheet || clip.frames.length < 2) return;
    card.classList.add("playing");
    const end = gallery.play(clip.frames.length, (n) => showFrame(card, clip, n), middle(clip));
    stop = () => {
      end();
      card.classList.remove("playing");
      showFrame(card, clip, middle(clip));
    };
  };

  /** Measure how the grid lies, from a card. */
  const measure = () => {
    columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
    const card = list.firstElementChild;
    if (card) rowHeight = card.offsetHeight + parseFloat(getComputedStyle(list).rowGap);
  };

  /** Put the cards of the rows in sight into the page, and take out the others. */
  const render = () => {
    if (list.closest("[hidden]")) return;
    const rows = Math.ceil(clips.length / columns);
    const first = Math.max(0, Math.floor(-list.getBoundingClientRect().top / rowHeight) - ROWS_AROUND);
    const last = Math.min(rows, first + Math.ceil(innerHeight / rowHeight) + 1 + 2 * ROWS_AROUND);
    const places = [];
    for (let place = first * columns; place < Math.min(clips.length, last * columns); place += 1) places.push(place);
    if (document.activeElement?.closest("#list") && current < clips.length && !places.includes(current)) endPlaying();
    const wanted = new Set(places.map((place) => clips[place].number));
    for (const [number, card] of cards) {
      if (!wanted.has(number)) { card.remove(); cards.delete(number); }
    }
    let before = null;
    for (const place of places) {
      const clip = clips[place];
      let card = cards.get(clip.number);
      if (!card) cards.set(clip.number, (card = makeCard(clip)));
      card.setAttribute("aria-posinset", place + 1);
      card.setAttribute("aria-setsize", clips.length);
      card.firstChild.tabIndex = place === current ? 0 : -1;
      const next = before ? before.nextSibling : list.firstChild;
      if (next !== card) list.insertBefore(card, next);
      before = card;
    }
    list.style.paddingTop = `${first * rowHeight}px`;
    list.style.paddingBottom = `${Math.max(0, rows - last) * rowHeight}px`;
  };

  const layOut = () => {
    measure();
    render();
    const before = [columns, rowHeight].join();
    measure();
    if ([columns, rowHeight].join() !== before) render();
  };

  /** Move the focus to the card at a place, which is brought into sight. */
  const goTo = (place) => {
    current = Math.max(0, Math.min(clips.length - 1, place));
    const top = list.getBoundingClientRect().top + scrollY + Math.floor(current / columns) * rowHeight;
    const bar = document.querySelector(".bar").offsetHeight + 12;
    if (top < scrollY + bar) scrollTo(0, top - bar);
    else if (top + rowHeight > scrollY + innerHeight) scrollTo(0, top + rowHeight - innerHeight + 12);
    render();
    cards.get(clips[current]?.number)?.firstChild.focus({ preventScroll: true });
  };

  const steps = { ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: () => columns, ArrowUp: () => -columns, Home: () => -clips.length, End: () => clips.length };
  list.addEventListener("keydown", (event) => {
    if (!steps[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    goTo(event.target === list ? current : current + steps[event.key]());
  });
  const cardOf = (event) => event.target.closest?.(".card");
  list.addEventListener("focusin", (event) => {
    const card = cardOf(event);
    if (!card) return goTo(current);
    current = clips.findIndex((clip) => clip.number === Number(card.dataset.number));
    for (const each of cards.values()) each.firstChild.tabIndex = each.firstChild === card ? 0 : -1;
    startPlaying(card);
  });
  list.addEventListener("focusout", endPlaying);
  list.addEventListener("mouseover", (event) => {
    const card = cardOf(event);
    if (card && !card.contains(event.relatedTarget)) startPlaying(card);
  });
  list.addEventListener("mouseout", (event) => {
    const card = cardOf(event);
    if (card && !card.contains(event.relatedTarget)) endPlaying();
  });
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; render(); });
  }, { passive: true });
  addEventListener("resize", () => requestAnimationFrame(layOut));

  return {
    /** Show other clips, from the first on. */
    show: (wanted, how) => {
      endPlaying();
      [clips, chosen, current] = [wanted, how, 0];
      cards.clear();
      list.replaceChildren();
      render();
      layOut();
    },
    layOut,
    goTo,
    placeOf: (clip) => clips.indexOf(clip),
    at: (place) => clips[place],
    get length() { return clips.length; },
  };
};
