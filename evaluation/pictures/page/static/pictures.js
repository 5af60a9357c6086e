// Pictures of a clip: frames and crops out of its sheet, boxes, paths, arrows, density, and the camera's curve.
"use strict";

const STEP_MS = 450; // a frame is shown so long while a clip plays
const INFERNO = [[0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164]];
const SVG = "http://www.w3.org/2000/svg";

/** An element: its attributes, where `text` is its text, and what is in it. Text is never read as markup. */
gallery.make = (tag, attributes = {}, ...inside) => {
  const element = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...inside.filter((each) => each !== null && each !== undefined));
  return element;
};

gallery.percent = (share) => `${(100 * share).toFixed(0)} %`;
const part = (offset, free) => (free ? `${(100 * offset) / free}%` : "0");

/** Show the n-th picture of a row of a clip's sheet as the background of an element. */
gallery.showPicture = (element, clip, row, n) => {
  const [width, height, rows] = clip.sheet;
  const [top, wide, high] = rows[row];
  element.style.backgroundImage = `url("${clip.picture}")`;
  element.style.backgroundSize = `${(100 * width) / wide}% ${(100 * height) / high}%`;
  element.style.backgroundPosition = `${part(n * wide, width - wide)} ${part(top, height - high)}`;
};

gallery.hasPicture = (clip, row) => Boolean(clip.sheet && clip.sheet[2][row]);

/** The box of one way in the n-th frame shown; undefined without one. */
gallery.boxAt = (crops, n) => (crops.boxes.length > 1 ? crops.boxes[n] : crops.boxes[0]);

/** A layer over a frame, in pixels of the clip. */
gallery.layer = (clip, kind) =>
  gallery.make("svg:svg", {
    class: `layer ${kind}`, viewBox: `0 0 ${clip.size[0]} ${clip.size[1]}`, preserveAspectRatio: "none", "aria-hidden": "true",
  });

/** Draw boxes, and the paths of those that move, into a layer; what a single one leaves out is darker. */
gallery.drawBoxes = (layer, clip, n, way = -1) => {
  const [width, height] = clip.size;
  const shown = clip.crops.map((crops, number) => [crops, number]).filter(([, number]) => way < 0 || number === way);
  const parts = [];
  for (const [crops, number] of shown) {
    const box = gallery.boxAt(crops, n);
    if (!box) continue;
    const [left, top, right, bottom] = [box[0] * width, box[1] * height, box[2] * width, box[3] * height];
    const outline = `M${left} ${top}H${right}V${bottom}H${left}Z`;
    if (shown.length === 1) parts.push(gallery.make("svg:path", { class: "shade", d: `M0 0H${width}V${height}H0Z${outline}` }));
    if (crops.path) {
      const points = crops.path.map(([x, y]) => `${x * width},${y * height}`).join(" ");
      parts.push(gallery.make("svg:polyline", { class: "rim", points }));
      parts.push(gallery.make("svg:polyline", { class: "path", points, style: `--way: ${gallery.ways[number].colour}` }));
    }
    parts.push(gallery.make("svg:path", { class: "rim", d: outline }));
    parts.push(gallery.make("svg:path", { class: "box", d: outline, style: `--way: ${gallery.ways[number].colour}` }));
  }
  layer.replaceChildren(...parts);
};

/** Draw the vectors of a frame into a layer: those that go with the camera, over them those that do not. */
gallery.drawArrows = (layer, clip, arrows) => {
  const parts = [];
  const head = clip.size[0] / 70;
  for (const own of [0, 1]) {
    let lines = "";
    for (let at = 0; at < arrows.length; at += 5) {
      if (arrows[at + 4] !== own) continue;
      const [x, y, toX, toY] = arrows.slice(at, at + 4);
      const angle = Math.atan2(toY - y, toX - x);
      const long = Math.min(head, Math.hypot(toX - x, toY - y));
      lines += `M${x} ${y}L${toX} ${toY}`;
      for (const turn of [2.6, -2.6]) {
        const [tipX, tipY] = [toX + long * Math.cos(angle + turn), toY + long * Math.sin(angle + turn)];
        lines += `M${toX} ${toY}L${tipX.toFixed(1)} ${tipY.toFixed(1)}`;
      }
    }
    if (lines) parts.push(gallery.make("svg:path", { class: own ? "own arrow" : "arrow", d: lines }));
  }
  layer.replaceChildren(...parts);
};

const colourOf = (value) => {
  const place = (value / 255) * (INFERNO.length - 1);
  const [low, high] = [INFERNO[Math.floor(place)], INFERNO[Math.ceil(place)]];
  return low.map((channel, n) => channel + (high[n] - channel) * (place % 1));
};

/** A canvas of a density map, a pixel a cell, that lies where the map lies in the frame. */
gallery.densityCanvas = (density) => {
  const canvas = gallery.make("canvas", { class: "density", width: density.cols, height: density.rows, "aria-hidden": "true" });
  const pixels = canvas.getContext("2d").createImageData(density.cols, density.rows);
  [...atob(density.values)].forEach((letter, n) => pixels.data.set([...colourOf(letter.charCodeAt(0)), 255], 4 * n));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  const [left, top, right, bottom] = density.spans;
  const place = { left, top, width: right - left, height: bottom - top };
  for (const [name, share] of Object.entries(place)) canvas.style[name] = `${100 * share}%`;
  return canvas;
};

const niceTop = (value) => [1, 2, 5, 10, 20, 50, 100, 200, 500].find((top) => value <= top) ?? value;

/** The camera's speed by frame, and behind it the share of the picture that follows it. Returns the plot and its cursor. */
gallery.cameraPlot = (camera) => {
  const [width, height, left, right, top, bottom] = [460, 250, 34, 46, 12, 30];
  const most = niceTop(Math.max(1, ...camera.speed));
  const x = (number) => left + ((width - left - right) * number) / Math.max(1, camera.frames - 1);
  const y = (share) => height - bottom - (height - top - bottom) * share;
  const line = (values) => values.map((value, n) => `${x(camera.number[n]).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
  const text = (words, at, kind, anchor) => gallery.make("svg:text", { x: at[0], y: at[1], class: kind, "text-anchor": anchor, text: words });
  const plot = gallery.make("svg:svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  for (const share of [0, 0.5, 1]) {
    plot.append(gallery.make("svg:path", { class: "grid", d: `M${left} ${y(share)}H${width - right}` }));
    plot.append(text(most * share, [left - 7, y(share) + 4], "speed-text", "end"));
    plot.append(text(`${100 * share} %`, [width - right + 7, y(share) + 4], "share-text", "start"));
  }
  if (camera.number.length) {
    const ends = [camera.number[0], camera.number.at(-1)].map(x);
    plot.append(gallery.make("svg:path", { class: "share", d: `M${ends[0]} ${y(0)}L${line(camera.share)}L${ends[1]} ${y(0)}Z` }));
    plot.append(gallery.make("svg:path", { class: "speed", d: `M${line(camera.speed.map((speed) => speed / most))}` }));
  }
  plot.append(text("0", [left, height - 10], "axis", "start"));
  plot.append(text("frame", [(left + width - right) / 2, height - 10], "axis", "middle"));
  plot.append(text(camera.frames - 1, [width - right, height - 10], "axis", "end"));
  const cursor = gallery.make("svg:path", { class: "cursor" });
  plot.append(cursor);
  return [plot, (number) => cursor.setAttribute("d", `M${x(number)} ${top}V${height - bottom}`)];
};

gallery.calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Call a function with 0, 1, 2, ... up to a count and over again, until it is stopped. Returns what stops it. */
gallery.play = (count, show, from = 0) => {
  let n = from;
  const timer = setInterval(() => show((n = (n + 1) % count)), STEP_MS);
  return () => clearInterval(timer);
};
