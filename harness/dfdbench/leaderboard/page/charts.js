"use strict";
// Drawings of one cell. Names and ids come from users: they become text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";
const BOX = { left: 34, top: 8, side: 250, right: 300, bottom: 258 };
let drawn = 0;

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function percent(thousandths, digits = 1) {
  return (thousandths / 10).toFixed(digits);
}

// An svg that a screen reader presents as one picture with a name and a sentence.
function picture(width, height, title, description) {
  const id = `drawing-${drawn++}`;
  const svg = shape("svg", {
    viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": `${id}-t`, "aria-describedby": `${id}-d`,
  });
  svg.append(shape("title", { id: `${id}-t` }, title), shape("desc", { id: `${id}-d` }, description));
  return svg;
}

function figure(title, said, ...content) {
  return element("figure", {}, element("h3", {}, title), element("figcaption", {}, said), ...content);
}

const across = (x) => BOX.left + (BOX.side * x) / 1000;
const up = (y) => BOX.bottom - (BOX.side * y) / 1000;

function unitSquare(svg, x, y) {
  for (const at of [0, 250, 500, 750, 1000]) {
    svg.append(
      shape("path", { class: "axis", d: `M${across(at)},${up(0)}V${up(1000)}M${across(0)},${up(at)}H${across(1000)}` }),
      shape("text", { x: across(at), y: BOX.bottom + 14, "text-anchor": "middle" }, at / 10),
      shape("text", { x: BOX.left - 5, y: up(at) + 4, "text-anchor": "end" }, at / 10),
    );
  }
  svg.append(
    shape("path", { class: "chance", d: `M${across(0)},${up(0)}L${across(1000)},${up(1000)}` }),
    shape("text", { class: "name", x: across(500), y: BOX.bottom + 30, "text-anchor": "middle" }, x),
    shape("text", { class: "name", transform: `translate(9,${up(500)}) rotate(-90)`, "text-anchor": "middle" }, y),
  );
}

// Steps of x and y by turns -> corners [x, y].
function corners(steps) {
  const found = [];
  let x = 0, y = 0;
  for (let n = 0; n < steps.length; n += 2) found.push([(x += steps[n]), (y += steps[n + 1])]);
  return found;
}

const path = (points) => "M" + points.map(([x, y]) => `${across(x).toFixed(1)},${up(y).toFixed(1)}`).join("L");

function rocFigure(seed, best) {
  if (!seed.roc.length) return figure("ROC", "Undefined: the videos are of one class.");
  const tpr = (fpr) => percent(seed.figures[`tpr_at_fpr_${fpr}`][0]);
  const said = `${tpr(0.01)} % of the fakes are found at 1 % false alarms, ${tpr(0.05)} % at 5 %.`;
  const svg = picture(306, 292, "ROC curve", said);
  unitSquare(svg, "false positive rate, %", "true positive rate, %");
  if (best) svg.append(shape("path", { class: "other", d: path(corners(best.seeds[0].roc)) }));
  svg.append(shape("path", { class: "line", d: path(corners(seed.roc)) }));
  const other = best ? ` Dashed: ${best.detector}, the best of this column.` : "";
  return figure("ROC", said + other, svg);
}

function histogramFigure(seed) {
  const kinds = Object.entries(seed.kinds);
  const row = 44, left = 6, width = 294, height = kinds.length * row + 34;
  const described = kinds.map(([kind, counts]) => {
    const all = counts.reduce((sum, n) => sum + n, 0);
    const above = counts.slice(counts.length / 2).reduce((sum, n) => sum + n, 0);
    return `${kind}: ${above} of ${all} videos at 0.5 or above.`;
  });
  const svg = picture(306, height, "Histogram of scores by class and method", described.join(" "));
  const x = (share) => left + width * share;
  kinds.forEach(([kind, counts], n) => {
    const floor = (n + 1) * row, highest = Math.max(...counts, 1);
    const all = counts.reduce((sum, count) => sum + count, 0);
    counts.forEach((count, bin) => {
      const tall = ((row - 18) * count) / highest;
      if (count) svg.append(shape("rect", {
        class: kind === "real" ? "real" : "fake", x: x(bin / counts.length) + 0.5, y: (floor - tall).toFixed(1),
        width: width / counts.length - 1, height: tall.toFixed(1),
      }));
    });
    svg.append(
      shape("path", { class: "axis", d: `M${x(0)},${floor}H${x(1)}` }),
      shape("text", { class: "name", x: left, y: floor - row + 13 }, kind),
      shape("text", { x: x(1), y: floor - row + 13, "text-anchor": "end" }, `${all} videos`),
    );
  });
  const end = kinds.length * row, at = x(seed.threshold / 1000);
  svg.append(shape("path", { class: "threshold", d: `M${at},4V${end}` }));
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(shape("text", { x: x(tick), y: end + 14, "text-anchor": tick ? (tick < 1 ? "middle" : "end") : "start" }, tick));
  }
  svg.append(shape("text", { class: "name", x: x(0.5), y: end + 29, "text-anchor": "middle" }, "p(fake) of a video"));
  const said = `Each row has its own height. Dashed: the threshold ${decimals(seed.threshold)} (${seed.threshold_from}).`;
  const unscored = seed.unscored ? ` ${seed.unscored} videos have no score.` : "";
  return figure("Scores by class and method", said + unscored, svg);
}

function calibrationFigure(seed) {
  const found = seed.calibration;
  if (!found) return figure("Reliability", "This row has none.");
  const said = `Expected calibration error ${percent(found.ece)} % (${found.bins} bins, ${found.binning}). ` +
    "Bars: 95 % interval of the share of fakes in a bin.";
  const points = found.curve.map(([p, share, , , count]) => `${percent(share, 0)} % of ${count} videos at ${percent(p, 0)} %`);
  const svg = picture(306, 292, "Reliability curve", `Share of fakes at the mean p(fake) of each bin: ${points.join(", ")}.`);
  unitSquare(svg, "mean p(fake), %", "share of fakes, %");
  svg.append(shape("path", { class: "line", d: path(found.curve) }));
  for (const [p, share, low, high] of found.curve) {
    svg.append(
      shape("path", { class: "line", d: `M${across(p)},${up(low)}V${up(high)}` }),
      shape("circle", { class: "real", cx: across(p), cy: up(share), r: 3 }),
    );
  }
  return figure("Reliability", said, svg);
}

function sweepFigure(sweep) {
  const lowest = Math.min(500, ...sweep.points.flatMap(([, ...values]) => values));
  const start = Math.floor(lowest / 100) * 100;
  const x = (n) => BOX.left + 14 + ((BOX.side - 28) * n) / (sweep.points.length - 1);
  const y = (value) => 158 - (150 * (value - start)) / (1000 - start);
  const described = sweep.points.map(([name, auroc]) => `${percent(auroc)} at ${name}`).join(", ");
  const svg = picture(306, 196, `AUROC under ${sweep.name}`, `AUROC in %: ${described}.`);
  for (let at = start; at <= 1000; at += 100) svg.append(
    shape("path", { class: at === 500 ? "chance" : "axis", d: `M${across(0)},${y(at)}H${across(1000)}` }),
    shape("text", { x: BOX.left - 5, y: y(at) + 4, "text-anchor": "end" }, at / 10),
  );
  const line = sweep.points.map(([, auroc], n) => `${x(n).toFixed(1)},${y(auroc).toFixed(1)}`).join("L");
  svg.append(shape("path", { class: "line", d: `M${line}` }));
  sweep.points.forEach(([name, auroc, low, high], n) => {
    if (high !== undefined) svg.append(shape("path", { class: "line", d: `M${x(n)},${y(low)}V${y(high)}` }));
    svg.append(
      shape("circle", { class: "real", cx: x(n), cy: y(auroc), r: 3 }),
      shape("text", { x: x(n), y: 172, "text-anchor": "middle" }, name),
    );
  });
  svg.append(shape("text", { class: "name", x: across(500), y: 190, "text-anchor": "middle" }, sweep.option));
  const said = "AUROC in %, bars are 95 % intervals.";
  const left = sweep.retained === null ? "" : ` ${percent(sweep.retained, 0)} % of the AUROC above chance are retained.`;
  return figure(`Under ${sweep.name}`, said + left, svg);
}

const NAMES = {
  auroc: "AUROC", map: "mAP", ap: "AP of fakes", eer: "EER", "tpr_at_fpr_0.001": "TPR at FPR 0.1 %",
  "tpr_at_fpr_0.01": "TPR at FPR 1 %", "tpr_at_fpr_0.05": "TPR at FPR 5 %", acc: "Accuracy",
  balanced_acc: "Balanced accuracy", brier: "Brier score", ece: "ECE",
};

// A table of figures; the columns in `numbers` are set flush right.
function list(titles, numbers, rows) {
  const kind = (n) => (numbers.includes(n) ? { class: "number" } : titles[n] === "Video" ? { class: "id" } : {});
  const head = titles.map((title, n) => element("th", { scope: "col", ...kind(n) }, title));
  const body = rows.map((row) => element("tr", {}, ...row.map((content, n) => element("td", kind(n), content))));
  return element("table", { class: "list" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
}

const range = ([low, high], say = percent) => (high === undefined ? "" : `${say(low)}–${say(high)}`);
const decimals = (thousandths) => (thousandths / 1000).toFixed(3);

function figuresFigure(seed) {
  const rows = Object.entries(seed.figures).map(([name, [value, ...ends]]) => {
    const say = name === "brier" ? decimals : percent;
    return [NAMES[name] ?? name, say(value), range(ends, say)];
  });
  const said = "Of videos, in %; the Brier score in [0, 1]. Accuracies at the threshold of the histogram.";
  return figure("All figures", said, list(["Metric", "Value", "95 % interval"], [1, 2], rows));
}

function partsFigure(column, parts) {
  const rows = parts.map(([name, real, fake, auroc, ...ends]) =>
    [name, `${real} + ${fake}`, auroc === undefined ? "–" : percent(auroc), range(ends)]);
  const title = `By ${column.replaceAll("_", " ")}`;
  return figure(title, "AUROC in % of the videos that are counted; of many values those with most videos.", list(["", "Real + fake", "AUROC", "95 % interval"], [1, 2, 3], rows));
}

function worstFigure(seed, ids, faces) {
  const shown = seed.worst.some(([id]) => faces[ids[id]]);
  const picture = (name) => (faces[name] ? element("img", { src: faces[name], alt: `A face of ${name}`, width: 56, height: 56 }) : "–");
  const rows = seed.worst.map(([id, kind, p, misplaced]) => [
    ...(shown ? [picture(ids[id])] : []), element("div", {}, ids[id], element("small", {}, kind)),
    decimals(p), `${percent(misplaced)} %`,
  ]);
  const titles = [...(shown ? ["Face"] : []), "Video", "p(fake)", "Misplaced"];
  const said = "Misplaced: the share of the other class's videos that lie on the wrong side. Its mean over a class is 100 − AUROC.";
  return figure(`The ${rows.length} worst videos`, said, list(titles, [titles.length - 2, titles.length - 1], rows));
}
