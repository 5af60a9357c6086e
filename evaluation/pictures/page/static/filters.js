// Which clips are shown, and in which order. Nothing here touches the page.
"use strict";

const gallery = { clips: [], ways: [] };

const SUBSETS = ["in no list", "train", "test", "validation"];
const UNKNOWN = "unknown";
const names = new Intl.Collator("en", { numeric: true }); // clip9 before clip10

/** What each filter looks at: from a clip and what is chosen, the values of which one must be wanted. */
gallery.facets = {
  label: (clip) => (clip.labels.length ? clip.labels.map(String) : ["-1"]),
  subset: (clip, chosen) => [SUBSETS[clip.subsets[chosen.split]] ?? SUBSETS[0]],
  state: (clip, chosen) => gallery.cropsOf(clip, chosen).map((crops) => crops.state),
  camera: (clip) => [clip.still === null ? UNKNOWN : clip.still ? "still" : "moving"],
  answer: (clip) => [clip.answer === null ? "none" : clip.answer[2] ? "right" : "wrong"],
  reason: (clip) => clip.reasons,
};

/** The crops of a clip by the way that is chosen, or by all ways. */
gallery.cropsOf = (clip, chosen) => (chosen.way < 0 ? clip.crops : [clip.crops[chosen.way]]);

/** How far a box is from the centre; of several ways, the farthest. */
const offCentre = (clip, chosen) => {
  const known = gallery.cropsOf(clip, chosen).map((crops) => crops.off).filter((off) => off !== null);
  return known.length ? Math.max(...known) : null;
};

/** Ways to sort: name, what is compared, and whether large values come first. */
gallery.sorts = {
  given: { words: "Class", value: (clip) => clip.number },
  name: { words: "Name", value: (clip) => clip.name },
  motion: { words: "Motion", value: (clip) => clip.motion, down: true },
  centre: { words: "Distance from centre", value: offCentre, down: true },
  confidence: { words: "Confidence", value: (clip) => clip.answer?.[1] ?? null, down: true },
};

gallery.everything = () => ({ wanted: {}, text: "", split: 0, way: -1, least: 0, most: 1, sort: "given", down: false });

const isWanted = (clip, chosen) => {
  for (const [name, values] of Object.entries(chosen.wanted)) {
    if (values.size && !gallery.facets[name](clip, chosen).some((value) => values.has(value))) return false;
  }
  if (chosen.least > 0 || chosen.most < 1) {
    if (!clip.answer || clip.answer[1] < chosen.least || clip.answer[1] > chosen.most) return false;
  }
  return clip.name.toLowerCase().includes(chosen.text.toLowerCase().trim());
};

/** The clips that are wanted, in order; those that lack what they are sorted by come last. */
gallery.select = (clips, chosen) => {
  const value = (clip) => gallery.sorts[chosen.sort].value(clip, chosen);
  const rows = clips.filter((clip) => isWanted(clip, chosen)).map((clip) => [value(clip), clip]);
  const sign = chosen.down ? -1 : 1;
  const compare = (a, b) => (typeof a === "string" ? names.compare(a, b) : a - b);
  rows.sort(([a, one], [b, other]) => {
    if (a === null || b === null) return (a === null) - (b === null) || one.number - other.number;
    return sign * compare(a, b) || one.number - other.number;
  });
  return rows.map(([, clip]) => clip);
};

/** How many clips have each value of a filter: a Map. */
gallery.countValues = (name, clips, chosen) => {
  const counts = new Map();
  for (const clip of clips) {
    for (const value of new Set(gallery.facets[name](clip, chosen))) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
};

/** How many filters are in use. */
gallery.inUse = (chosen) =>
  Object.values(chosen.wanted).reduce((sum, values) => sum + values.size, 0) + (chosen.least > 0 || chosen.most < 1);
