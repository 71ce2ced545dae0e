// Copyright 2026 the objectcentric_ros developers
// SPDX-License-Identifier: Apache-2.0
//
// The inspector's page: a point on one image, its heat and best match on the other. One question is under way at a time, and
// the newest pointer position is asked next: whatever the mouse did meanwhile is dropped.

const FOLLOW_PERIOD = 250; // pause between frames of a live source [ms]
const STRENGTH = 0.7;      // opacity of a heat of 1, as in descriptors/painting.py
const SVG = "http://www.w3.org/2000/svg";

const element = (id) => document.getElementById(id);
const panels = Object.fromEntries(["a", "b"].map((name) => [name, {
  name, panel: element(`panel-${name}`), stage: element(`stage-${name}`), picture: element(`stage-${name}`).querySelector("img"),
  heat: element(`stage-${name}`).querySelector("canvas"), marks: element(`stage-${name}`).querySelector("svg"),
  source: element(`source-${name}`), follow: element(`follow-${name}`), seek: element(`seek-${name}`),
  frame: null, taking: 0,
}]));
const other = (panel) => panels[panel.name === "a" ? "b" : "a"];

let overview = null;
let colours = null;       // 256 x RGBA of the heat, opacity included
let point = null;         // {panel, frame, u, v}: what is looked for
let match = null;         // {point, target, ...} as the server said it
let held = false;
let automatic = true;     // temperature
let wanted = null;        // the next question: {time}
let asking = false;
let replacing = false;    // the name to save under is taken, and the person was asked

// -- talking to the server ---------------------------------------------------------------------------------------------

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The inspector doesn't answer: was it stopped?");
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw Object.assign(new Error(answer.error || `The inspector answered ${response.status}.`), { status: response.status });
  }
  return response;
}

function complain(error) {
  element("trouble").textContent = error ? error.message : "";
  element("trouble").hidden = !error;
}

// -- frames ------------------------------------------------------------------------------------------------------------

async function take(panel) {
  const source = overview.sources[panel.source.value];
  const number = ++panel.taking;
  panel.stage.classList.toggle("busy", !source.live || !panel.frame);
  try {
    const frame = await (await ask("/api/frames", { source: Number(panel.source.value), index: Number(panel.seek.value) })).json();
    if (number !== panel.taking) return; // another was chosen meanwhile
    complain(null);
    if (panel.frame?.id !== frame.id) show(panel, frame);
  } catch (error) {
    if (number === panel.taking) complain(error);
  } finally {
    if (number === panel.taking) panel.stage.classList.remove("busy");
  }
}

function show(panel, frame) {
  panel.frame = frame;
  panel.marks.setAttribute("viewBox", `-0.5 -0.5 ${frame.width} ${frame.height}`);
  panel.stage.dataset.frame = frame.id;
  panel.picture.width = frame.width;
  panel.picture.height = frame.height;
  if (point?.panel === panel && !held) forget();
  const all = Object.values(panels).map((each) => each.frame).filter(Boolean);
  element("keypoints").disabled = !all.some((each) => each.keypoints);
  element("object").disabled = !all.some((each) => each.mask);
  drawPictures();
  drawMarks();
  if (point) look();
}

const onObject = () => element("object").checked && !element("object").disabled;

function drawPictures() {
  const colourful = element("pca").checked;
  const object = onObject() ? "&object=1" : "";
  for (const panel of Object.values(panels)) {
    if (!panel.frame) continue;
    const beside = other(panel).frame;
    const source = colourful
      ? `/api/frames/${panel.frame.id}/pca?beside=${(beside || panel.frame).id}${object}` : `/api/frames/${panel.frame.id}/image`;
    if (panel.picture.getAttribute("src") !== source) panel.picture.src = source;
    panel.picture.alt = panel.frame.title;
  }
}

function chooseSource(panel) {
  const source = overview.sources[panel.source.value];
  panel.panel.querySelector(".follow").hidden = !source.live;
  panel.panel.querySelector(".seek").hidden = source.count < 2;
  panel.follow.checked = source.live;
  panel.seek.max = source.count - 1;
  panel.seek.value = 0;
  sayIndex(panel);
  return take(panel);
}

function sayIndex(panel) {
  const count = overview.sources[panel.source.value].count;
  panel.panel.querySelector(".seek output").textContent = `${Number(panel.seek.value) + 1} of ${count}`;
}

async function follow(panel) {
  for (;;) {
    if (panel.follow.checked && overview.sources[panel.source.value].live && !document.hidden) await take(panel);
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_PERIOD));
  }
}

// -- matching ----------------------------------------------------------------------------------------------------------

function look(time = performance.now()) {
  wanted = { time };
  if (!asking) requestAnimationFrame(pump);
}

async function pump() {
  if (asking) return;
  asking = true;
  try {
    while (wanted && point) {
      const { time } = wanted;
      wanted = null;
      const asked = point;
      const target = other(asked.panel);
      if (!target.frame) return;
      const fields = new URLSearchParams({ from: asked.frame.id, to: target.frame.id, u: asked.u, v: asked.v });
      if (!automatic) fields.set("temperature", element("temperature").value);
      if (onObject()) fields.set("object", "1");
      const response = await ask(`/api/match?${fields}`);
      const heat = new Uint8Array(await response.arrayBuffer());
      if (target.frame.id !== fields.get("to")) continue; // a live frame came meanwhile
      match = { ...JSON.parse(response.headers.get("X-Match")), point: asked, target };
      drawHeat(heat);
      drawMarks();
      readOut();
      complain(null);
      afterPaint((now) => {
        element("latency").textContent = `${Math.round(now - time)} ms`;
        target.stage.dataset.latencyMs = (now - time).toFixed(1);
        target.stage.dataset.drawn = `${asked.u.toFixed(1)},${asked.v.toFixed(1)}`;
      });
    }
  } catch (error) {
    wanted = null;
    complain(error);
    if (error.status === 404 && !held) Object.values(panels).forEach((panel) => { panel.frame = null; take(panel); });
  } finally {
    asking = false;
    if (wanted && point) requestAnimationFrame(pump);
  }
}

// The first callback comes before the frame with the changes is painted, the second after it.
const afterPaint = (work) => requestAnimationFrame(() => requestAnimationFrame(() => work(performance.now())));

function forget() {
  point = match = wanted = null;
  held = false;
  for (const panel of Object.values(panels)) panel.heat.hidden = true;
  drawMarks();
  readOut();
}

// -- drawing -----------------------------------------------------------------------------------------------------------

function drawHeat(heat) {
  const { target, columns, rows, cell } = match;
  const canvas = target.heat;
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  canvas.style.width = `${100 * columns * cell / target.frame.width}%`;
  canvas.style.height = `${100 * rows * cell / target.frame.height}%`;
  const picture = new ImageData(columns, rows);
  const pixels = new Uint32Array(picture.data.buffer);
  for (let index = 0; index < pixels.length; index++) pixels[index] = colours[heat[index]];
  canvas.getContext("2d").putImageData(picture, 0, 0);
  canvas.hidden = false;
  other(target).heat.hidden = true;
}

function mark(panel, tag, classes, attributes) {
  for (const name of classes) {
    const shape = document.createElementNS(SVG, tag);
    shape.setAttribute("class", name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    panel.marks.append(shape);
  }
}

function drawMarks() {
  for (const panel of Object.values(panels)) {
    panel.marks.replaceChildren();
    panel.stage.classList.toggle("held", held && point?.panel === panel);
    if (!panel.frame) continue;
    const size = panel.frame.width / 640;
    if (element("keypoints").checked && panel.frame.keypoints) drawKeypoints(panel, size);
    if (point?.panel === panel && point.frame.id === panel.frame.id) {
      const { u, v } = point;
      const [near, far] = [4 * size, 13 * size];
      const d = `M${u - far} ${v}h${far - near}M${u + near} ${v}h${far - near}M${u} ${v - far}v${far - near}M${u} ${v + near}v${far - near}`;
      mark(panel, "path", ["halo", "cross"], { d });
    }
    if (match && match.target === panel && point === match.point) {
      if (match.multimodal) mark(panel, "circle", ["halo", "rival"], { cx: match.rival[0], cy: match.rival[1], r: 12 * size });
      mark(panel, "circle", ["halo", "ring"], { cx: match.peak[0], cy: match.peak[1], r: 9 * size });
    }
  }
}

function drawKeypoints(panel, size) {
  panel.frame.keypoints.forEach(({ u, v, peak }, index, all) => {
    // Evenly spread hues: the same keypoint has the same colour on both images. A faint one isn't sure of its place.
    mark(panel, "circle", ["keypoint"], { cx: u, cy: v, r: 5 * size, fill: `hsl(${360 * index / all.length} 75% 48%)`,
      opacity: 0.35 + 0.65 * Math.min(1, peak) });
  });
}

function readOut() {
  const card = element("readout");
  card.classList.toggle("several", Boolean(match?.multimodal));
  const bar = element("confidence");
  bar.setAttribute("aria-valuenow", match ? match.confidence.toFixed(2) : 0);
  bar.firstElementChild.style.width = `${match ? 100 * match.confidence : 0}%`;
  element("confidence-value").textContent = match ? match.confidence.toFixed(2) : "–";
  element("peak").textContent = match ? match.peak.map((value) => value.toFixed(1)).join(", ") : "–";
  element("distance").textContent = match ? match.distance.toFixed(3) : "–";
  element("point").textContent = point ? `${point.u.toFixed(1)}, ${point.v.toFixed(1)}` : "–";
  const hold = held ? "Held: the arrow keys move it, Esc lets go." : "Click to hold a point; the arrow keys move it, Esc lets go.";
  let verdict = "Move the mouse over an image.";
  let advice = hold;
  if (match?.multimodal) {
    verdict = "Several places match";
    advice = `The dashed ring fits nearly as well: choose another point${
      onObject() || !match.target.frame.mask ? "" : ", or search the object only"}.`;
  } else if (match) {
    verdict = match.confidence >= 0.6 ? "One clear match" : "One place fits best";
  }
  if (element("verdict").textContent !== verdict) element("verdict").textContent = verdict;
  element("advice").textContent = advice;
  if (match && automatic) {
    element("temperature").value = match.temperature;
    sayTemperature();
  }
  element("save-button").disabled = !(held && overview?.store);
}

function sayTemperature() {
  const value = Number(element("temperature").value).toFixed(2).replace("-", "−");
  element("temperature-value").textContent = value;
  element("temperature").setAttribute("aria-valuetext", automatic ? `${value}, automatic` : value);
  element("automatic").setAttribute("aria-pressed", automatic);
}

// -- input -------------------------------------------------------------------------------------------------------------

function pixel(panel, event) {
  const place = panel.picture.getBoundingClientRect();
  const { width, height } = panel.frame;
  const clamp = (value, most) => Math.min(Math.max(value, 0), most - 1);
  // Pixel 0's centre is at 0, its left edge at -0.5.
  return { u: clamp((event.clientX - place.left) / place.width * width - 0.5, width),
    v: clamp((event.clientY - place.top) / place.height * height - 0.5, height) };
}

function put(panel, place, time) {
  point = { panel, frame: panel.frame, ...place };
  drawMarks();
  look(time);
}

function listen(panel) {
  const { stage } = panel;
  stage.addEventListener("pointermove", (event) => {
    if (!held && panel.frame) put(panel, pixel(panel, event), event.timeStamp);
  });
  stage.addEventListener("pointerdown", (event) => {
    if (!panel.frame || event.button !== 0) return;
    if (held && point.panel === panel && Math.hypot(pixel(panel, event).u - point.u, pixel(panel, event).v - point.v) < 6) {
      release();
    } else {
      held = true;
      put(panel, pixel(panel, event), event.timeStamp);
      resetSaving();
    }
  });
  stage.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || !panel.frame) return;
    event.preventDefault();
    const { width, height } = panel.frame;
    const from = point?.panel === panel ? point : { u: Math.round(width / 2), v: Math.round(height / 2) };
    const far = event.shiftKey ? 10 : 1;
    held = true;
    put(panel, { u: Math.min(Math.max(from.u + far * step[0], 0), width - 1),
      v: Math.min(Math.max(from.v + far * step[1], 0), height - 1) }, event.timeStamp);
    resetSaving();
  });
  panel.source.addEventListener("change", () => chooseSource(panel));
  panel.seek.addEventListener("input", () => { sayIndex(panel); take(panel); });
}

function release() {
  held = false;
  drawMarks();
  readOut();
  resetSaving();
}

function resetSaving() {
  replacing = false;
  element("save-button").textContent = "Save";
  element("save-button").disabled = !(held && overview.store);
  sayOfSaving(!overview.store ? "Start the inspector with --gallery to save." : held
    ? `The held point of ${point.panel.name.toUpperCase()} is saved, to be grasped straight from above.`
    : "Click on an image to hold the point to save.", "");
}

function sayOfSaving(text, kind) {
  element("save-status").textContent = text;
  element("save-status").className = `quiet ${kind}`;
}

async function save(event) {
  event.preventDefault();
  if (!held) return;
  const width = element("width").value ? Number(element("width").value) / 1000 : null;
  const name = element("name").value.trim();
  try {
    const answer = await (await ask("/api/grasp_points", { frame: point.frame.id, u: point.u, v: point.v,
      item: element("item").value, name, width, replace: replacing })).json();
    resetSaving();
    sayOfSaving(`${answer.replaced ? "Replaced" : "Saved"} “${name}” of ${element("item").selectedOptions[0].textContent}.`, "good");
  } catch (error) {
    replacing = error.status === 409;
    element("save-button").textContent = replacing ? "Replace" : "Save";
    sayOfSaving(error.message, "bad");
  }
}

async function listItems() {
  const items = overview.store ? await (await ask("/api/items")).json() : {};
  element("item").replaceChildren(...Object.entries(items).map(([id, title]) => new Option(title, id)));
  for (const id of ["item", "name", "width"]) element(id).disabled = !overview.store;
  if (overview.store && !Object.keys(items).length) {
    sayOfSaving("The gallery is empty: add items with `objectcentric gallery add`.", "bad");
  }
}

async function begin() {
  overview = await (await ask("/api/overview")).json();
  const alpha = (heat) => Math.round(STRENGTH * heat);
  const bytes = new Uint8ClampedArray(256 * 4);
  for (let heat = 0; heat < 256; heat++) bytes.set([...overview.palette.slice(3 * heat, 3 * heat + 3), alpha(heat)], 4 * heat);
  colours = new Uint32Array(bytes.buffer);
  element("model").textContent = `${overview.model} · D = ${overview.dimension}`;
  const slider = element("temperature");
  Object.assign(slider, { min: overview.temperature.least, max: overview.temperature.most });
  slider.value = overview.temperature.paper;
  sayTemperature();
  slider.addEventListener("input", () => { automatic = false; sayTemperature(); if (point) look(); });
  element("automatic").addEventListener("click", () => { automatic = !automatic; sayTemperature(); if (point) look(); });
  element("pca").addEventListener("change", drawPictures);
  element("keypoints").addEventListener("change", drawMarks);
  element("object").addEventListener("change", () => { drawPictures(); if (point) look(); });
  element("name").addEventListener("input", () => { if (replacing) resetSaving(); });
  element("save").addEventListener("submit", save);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && held) return release();
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=range], [type=checkbox]), select")) return;
    const toggle = { p: "pca", k: "keypoints", o: "object" }[event.key];
    if (toggle) element(toggle).click();
  });
  Object.values(panels).forEach((panel, index) => {
    panel.source.replaceChildren(...overview.sources.map((source, number) => new Option(source.title, number)));
    panel.source.value = Math.min(index, overview.sources.length - 1);
    listen(panel);
  });
  resetSaving();
  await Promise.all([listItems(), ...Object.values(panels).map(chooseSource)]);
  document.body.dataset.ready = "true";
  Object.values(panels).forEach(follow);
}

begin().catch(complain);
