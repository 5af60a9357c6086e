// The view of one clip: its frames to play, the crops of all ways, density, motion vectors and the camera's curve.
"use strict";

gallery.details = new Map(); // of the clips that have been opened, by number
gallery.clip = (number, detail) => gallery.details.set(number, detail);

/** What only the view of a clip shows: out of the page, or of a script beside it. */
gallery.detailOf = async (clip) => {
  if (!gallery.details.has(clip.number)) {
    const inside = document.getElementById(`clip-${clip.number}`);
    if (inside) gallery.clip(clip.number, JSON.parse(inside.textContent));
    else {
      await new Promise((resolve) => {
        const script = gallery.make("script", { src: `page/clips/${clip.number}.js` });
        script.onload = script.onerror = resolve;
        document.head.append(script);
      });
    }
  }
  return gallery.details.get(clip.number) ?? null;
};

gallery.clipView = (list) => {
  const { make, percent } = gallery;
  const view = document.getElementById("clip");
  let stop = null;
  let opened = 0; // counts, so that a detail that comes late is not shown with another clip

  const frame = (clip, words, ...layers) => {
    const element = make("div", { class: "picture large", role: "img", "aria-label": words });
    element.style.aspectRatio = `${clip.size[0]} / ${clip.size[1]}`;
    element.style.setProperty("--shape", clip.size[0] / clip.size[1]);
    if (gallery.hasPicture(clip, 0)) gallery.showPicture(element, clip, 0, 0);
    else element.classList.add("lacking");
    element.append(...layers);
    return element;
  };

  const swatch = (way) => make("span", { class: "swatch", style: `--way: ${gallery.ways[way].colour}` });

  /** The subsets of a clip, each with the splits in which it is in that. */
  const subsets = (clip) => SUBSETS.map((subset, number) => {
    const splits = gallery.splits.filter((_, split) => (clip.subsets[split] ?? 0) === number);
    if (!splits.length) return null;
    return splits.length === gallery.splits.length ? subset : `${subset} in ${splits.join(", ")}`;
  });

  const facts = (clip) => [
    clip.classes,
    ...subsets(clip),
    clip.length === null ? null : `${clip.size[0]}×${clip.size[1]}, ${clip.length} frames`,
    clip.still === null ? null : `${clip.still ? "still" : "moving"} camera, ${clip.camera.toFixed(2)} px/frame`,
    clip.motion === null ? null : `own motion ${clip.motion.toFixed(3)} px/frame`,
  ].filter(Boolean);

  const panel = (title, words, ...inside) =>
    make("figure", { class: "panel" }, make("figcaption", {}, make("h2", { text: title }), make("p", { text: words })), ...inside);

  const cropFigure = (clip, way) => {
    const crops = clip.crops[way];
    const picture = make("div", { class: "picture crop", role: "img", "aria-label": `crop by ${gallery.ways[way].name}` });
    if (gallery.hasPicture(clip, 1 + way)) {
      gallery.showPicture(picture, clip, 1 + way, 0);
      picture.style.aspectRatio = (crops.shape ?? [1, 1]).join(" / ");
    } else picture.hidden = true;
    const box = crops.area === null ? [] : [`${percent(crops.area)} of the frame`, `${percent(crops.off)} off centre`, crops.path ? "moves" : null];
    const words = [crops.state === "cropped" ? null : crops.state, crops.why || null, ...(crops.area === 1 ? [] : box)].filter(Boolean);
    const element = make("figure", { class: "way" }, picture, make("figcaption", {}, make("h3", {}, swatch(way), gallery.ways[way].name), make("p", { text: words.join(" · ") })));
    return [element, (n) => gallery.hasPicture(clip, 1 + way) && gallery.showPicture(picture, clip, 1 + way, n)];
  };

  const densityPanel = (clip, detail) => {
    const known = detail.density.map((density, way) => [density, way]).filter(([density]) => density);
    if (!known.length) return null;
    const grid = make("div", { class: `maps maps-${Math.min(known.length, 4)}` }, ...known.map(([density, way]) => {
      const layer = gallery.layer(clip, "boxes");
      gallery.drawBoxes(layer, clip, 0, way);
      layer.querySelector(".shade")?.remove();
      const picture = frame(clip, `density map of ${gallery.ways[way].name}`, gallery.densityCanvas(density), layer);
      picture.classList.add("grey");
      return make("div", { class: "map" }, picture, make("p", {}, swatch(way), `${gallery.ways[way].name}, ${density.rows}×${density.cols}`));
    }));
    return panel("Density", "The maps that the boxes were found on.", grid);
  };

  const arrowsPanel = (clip, detail) => {
    const { frames, stretch } = detail.arrows;
    if (!detail.camera) return [detail.noMotion ? panel("Motion", `Not known: ${detail.noMotion}`) : null, () => {}];
    if (!frames.some(Boolean)) return [panel("Motion vectors", "No P frame follows the frames shown."), () => {}];
    const layer = gallery.layer(clip, "arrows");
    const key = make("p", { class: "key" }, make("span", { class: "own", text: "moves by itself" }), make("span", { class: "camera", text: "moves with the camera" }));
    const picture = frame(clip, "motion vectors", layer);
    picture.classList.add("grey");
    const element = panel("Motion vectors", " ", picture, key);
    const words = element.querySelector("p");
    return [element, (n) => {
      if (gallery.hasPicture(clip, 0)) gallery.showPicture(picture, clip, 0, n);
      gallery.drawArrows(layer, clip, frames[n]?.arrows ?? []);
      words.textContent = frames[n] ? `Of frame ${frames[n].number}, ${stretch} times as long, over the frame shown.` : "No P frame follows the frame shown.";
    }];
  };

  const cameraPanel = (detail) => {
    if (!detail.camera) return [null, () => {}];
    const sorted = [...detail.camera.speed].sort((a, b) => a - b);
    const median = sorted.length ? sorted[Math.floor(sorted.length / 2)].toFixed(2) : "0";
    const [plot, cursor] = gallery.cameraPlot(detail.camera);
    const chart = make("div", { role: "img", "aria-label": `speed of the camera by frame, median ${median} pixels a frame` }, plot);
    const key = make("p", { class: "key" }, make("span", { class: "speed", text: "camera, px/frame" }), make("span", { class: "share", text: "share of the picture that moves with it" }));
    return [panel("Camera", `Median ${median} px/frame.`, chart, key), cursor];
  };

  const answerPanel = (clip, detail) => {
    if (!clip.answer) return null;
    const rows = detail.top.map(([label, share], n) => make("li", { class: n === 0 ? (clip.answer[2] ? "right" : "wrong") : "" },
      make("span", { text: label }), make("span", { class: "share", text: `${(100 * share).toFixed(1)} %` }), make("i", { style: `width: ${100 * share}%` })));
    return panel("Answer", clip.answer[2] ? "Right." : `Wrong: the clip is ${clip.classes}.`, make("ol", { class: "bars" }, ...rows));
  };

  const notesPanel = (detail) => {
    if (!detail.notes.length) return null;
    return panel("Notes of the stages", "", make("dl", { class: "notes" }, ...detail.notes.flatMap((note) => [
      make("dt", { class: note.failed ? "bad" : "", text: note.stage }),
      make("dd", {}, make("code", { text: note.reasons.join(", ") }), note.message ? ` ${note.message}` : ""),
    ])));
  };

  const navigation = (clip) => {
    const place = list.placeOf(clip);
    const link = (to, words, arrow) => (list.at(to) && place >= 0
      ? make("a", { class: "button", href: list.at(to).address, "aria-label": words, text: arrow })
      : make("span", { class: "button off", "aria-hidden": "true", text: arrow }));
    const where = place < 0 ? "" : `${(place + 1).toLocaleString("en")} of ${list.length.toLocaleString("en")}`;
    return make("nav", { class: "bar", "aria-label": "Clips" },
      make("a", { class: "button back", href: "#/", text: "← All clips" }),
      make("span", { class: "place", text: where }),
      link(place - 1, "Previous clip", "←"), link(place + 1, "Next clip", "→"),
      make("button", { type: "button", class: "theme icon" }));
  };

  const close = () => {
    stop?.();
    stop = null;
    opened += 1;
    view.hidden = true;
    view.replaceChildren();
  };

  const open = async (clip) => {
    close();
    const mine = opened;
    const detail = await gallery.detailOf(clip);
    if (mine !== opened) return;
    const boxes = gallery.layer(clip, "boxes");
    const player = frame(clip, "key frame with boxes", boxes);
    const caption = make("p", { class: "note" });
    const crops = gallery.ways.map((_, way) => cropFigure(clip, way));
    const [arrows, showArrows] = detail ? arrowsPanel(clip, detail) : [null, () => {}];
    const [camera, showCamera] = detail ? cameraPanel(detail) : [null, () => {}];
    const panels = detail ? [arrows, densityPanel(clip, detail), camera, answerPanel(clip, detail), notesPanel(detail)]
      : [make("p", { class: "why", text: `page/clips/${clip.number}.js cannot be read; write the gallery again` })];
    let now = Math.floor(clip.frames.length / 2);

    const buttons = clip.frames.map((number, n) => {
      const button = make("button", { type: "button", class: "picture thumb", "aria-label": `Frame ${number}` });
      button.style.aspectRatio = `${clip.size[0]} / ${clip.size[1]}`;
      if (gallery.hasPicture(clip, 0)) gallery.showPicture(button, clip, 0, n);
      button.addEventListener("click", () => { pause(); show(n); });
      return button;
    });
    const show = (n) => {
      now = n;
      if (gallery.hasPicture(clip, 0)) gallery.showPicture(player, clip, 0, n);
      gallery.drawBoxes(boxes, clip, n);
      crops.forEach(([, showCrop]) => showCrop(n));
      showArrows(n);
      showCamera(clip.frames[n]);
      buttons.forEach((button, at) => button.setAttribute("aria-pressed", at === n));
      caption.textContent = `Frame ${clip.frames[n]}${otherFrames(clip, n)}`;
    };
    const playing = make("button", { type: "button", class: "play", text: "Play" });
    const pause = () => { stop?.(); stop = null; playing.textContent = "Play"; };
    playing.addEventListener("click", () => {
      if (stop) return pause();
      stop = gallery.play(clip.frames.length, show, now);
      playing.textContent = "Pause";
    });

    const [folder, name] = gallery.nameParts(clip);
    const stage = !clip.words
      ? make("div", { class: "player" }, player, make("div", { class: "controls" }, playing, caption), gallery.hasPicture(clip, 0) ? make("div", { class: "thumbs", role: "group", "aria-label": "Frames" }, ...buttons) : null)
      : make("div", { class: "player" }, make("p", { class: "why", text: clip.words }), clip.frames.length > 1 ? make("div", { class: "controls" }, playing, caption) : null);
    view.replaceChildren(navigation(clip),
      make("header", { class: "clip-head" }, folder ? make("p", { class: "folder", text: folder }) : null,
        make("h1", { id: "clip-title", tabindex: "-1", text: name }),
        make("ul", { class: "facts" }, ...facts(clip).map((words) => make("li", { text: words })))),
      make("div", { class: "stage" }, stage, make("div", { class: `ways ways-${Math.min(crops.length, 4)}` }, ...crops.map(([element]) => element))),
      make("div", { class: "panels" }, ...panels.filter(Boolean)));
    view.hidden = false;
    gallery.themeButtons();
    if (clip.frames.length) show(now);
    scrollTo(0, 0);
    document.getElementById("clip-title").focus({ preventScroll: true });
  };

  /** Which crops are of another frame than the one that is shown. */
  const otherFrames = (clip, n) => {
    const other = clip.crops.map((crops, way) => [crops.numbers?.[n], way]).filter(([number]) => number !== undefined && number !== clip.frames[n]);
    return other.map(([number, way]) => `, ${gallery.ways[way].name} of frame ${number}`).join("");
  };

  return { open, close, isOpen: () => !view.hidden };
};
