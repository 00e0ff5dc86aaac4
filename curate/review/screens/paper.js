// Draws what Python describes and reports what is pressed.
//
// Text becomes text nodes and nothing else: no markup of a row is ever parsed. Every key is that of a button on the
// page. A guarded button works only once the row that it is about has been on the screen for a while, so that nobody
// decides on a row that they cannot have seen; what is refused is said and counted, never guessed.

// No tag that leads elsewhere, loads anything or sends a form.
const TAGS = new Set([
  "article", "aside", "button", "code", "dd", "del", "details", "div", "dl", "dt", "h1", "h2", "h3", "header", "i",
  "input", "ins", "kbd", "label", "li", "mark", "nav", "ol", "p", "section", "span", "strong", "summary", "sup",
  "table", "tbody", "td", "textarea", "th", "thead", "tr", "ul"
]);
const PLAIN = new Set([
  "autocomplete", "class", "dir", "for", "id", "name", "placeholder", "role", "rows", "scope", "spellcheck",
  "tabindex", "title", "type"
]);
const FLAGS = new Set(["open", "disabled"]);
// Drawn by numbers alone, on a field of 100 by 100.
const SHAPES = new Set(["svg", "polyline"]);
const SVG = "http://www.w3.org/2000/svg";
const POINTS = /^[-\d., ]*$/;
const INPUT_PAUSE = 250; // ms without a key before a search is sent
const FLASH = 4000;

let send = () => {};
let stage = null; // where the tree is drawn
let flashed = null;
let data = {};
let drawn = ""; // the tree on the screen, as JSON
let number = 0; // of the last press
let waiting = null; // the press that was sent and not answered yet
let looks = false; // that press only asks how far something is: others need not wait for it
let lookLater = null;
let queued = null; // what was typed meanwhile
let shownAt = null; // when the row on the screen was painted
let refused = 0;
let session = null;
const scrolls = new Map(); // how far each place was scrolled

function make(node) {
  if (typeof node === "string") return document.createTextNode(node);
  const [tag, attributes, ...children] = node;
  const isShape = SHAPES.has(tag);
  if (!isShape && !TAGS.has(tag)) throw new Error(`no such tag on paper: ${tag}`);
  const element = isShape ? document.createElementNS(SVG, tag) : document.createElement(tag);
  if (tag === "svg") element.setAttribute("viewBox", "0 0 100 100");
  if (tag === "svg") element.setAttribute("preserveAspectRatio", "none");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (name === "press") element.press = value;
    else if (name === "key") {
      element.dataset.key = value;
      element.setAttribute("aria-keyshortcuts", value.replaceAll("Ctrl", "Control"));
    } else if (name === "fill") element.style.setProperty("--fill", String(Number(value)));
    else if (name === "points" && POINTS.test(value)) element.setAttribute(name, value);
    else if (name === "value") element.value = element.defaultValue = value;
    else if (FLAGS.has(name)) element[name] = true;
    else if (PLAIN.has(name) || name.startsWith("data-") || name.startsWith("aria-")) element.setAttribute(name, String(value));
    else throw new Error(`no such attribute on paper: ${name}`);
  }
  for (const child of children) if (child !== null) element.append(make(child));
  if (tag === "button") element.type = "button";
  if (tag === "textarea") {
    element.value = attributes.value ?? "";
    element.dataset.was = element.value;
  }
  return element;
}

function draw() {
  const tree = JSON.stringify(data.tree);
  const moved = stage.dataset.place !== data.place;
  const isNew = tree !== drawn;
  let kept = null; // what had the focus, and the cursor in it
  if (isNew) {
    const focused = stage.contains(document.activeElement) ? document.activeElement : null;
    if (focused?.id) kept = { id: focused.id, value: focused.value, at: focused.selectionStart };
    const reason = subject(stage.dataset.row) === subject(data.row) && document.getElementById("reason")?.value;
    if (stage.dataset.place) scrolls.set(stage.dataset.place, scroller().scrollTop);
    const folded = new Map([...stage.querySelectorAll("details")].map((one) => [one.textContent.slice(0, 30), one.open]));
    stage.replaceChildren(make(data.tree));
    drawn = tree;
    const field = document.getElementById("reason");
    if (reason && field) field.value = reason; // it is about the row, whichever view of it is shown
    for (const one of stage.querySelectorAll("details[data-narrow]")) {
      const was = folded.get(one.textContent.slice(0, 30));
      one.open = moved && window.innerWidth <= 800 ? false : was ?? window.innerWidth > 800;
    }
  }
  for (const field of stage.querySelectorAll("textarea")) fit(field);
  if (moved) {
    stage.dataset.place = data.place;
    scroller().scrollTop = data.keepScroll ? scrolls.get(data.place) ?? 0 : 0;
  }
  const again = kept && document.getElementById(kept.id);
  if (again) {
    if (again.press && again.tagName === "INPUT") again.value = kept.value; // typing goes on
    again.focus({ preventScroll: true });
    if (kept.at !== null && kept.at !== undefined) again.setSelectionRange?.(kept.at, kept.at);
  } else if (moved && isNew) {
    const first = stage.querySelector("[data-focus]"); // after the scrolling: it brings the field into view
    first?.focus();
    first?.setSelectionRange?.(first.value.length, first.value.length);
  }
  if (stage.dataset.row !== data.row) {
    stage.dataset.row = data.row;
    paint(data.row);
  }
}

// Two frames: the first is drawn with the new row, the second begins when it is on the screen.
function paint(row) {
  shownAt = null;
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      if (stage.dataset.row === row) {
        shownAt = performance.now();
        stage.dataset.painted = row;
      }
    }),
  );
}

// What is on the screen, without the view of it.
function subject(row) {
  return (row ?? "").split(" ")[0];
}

function scroller() {
  return stage.closest('[data-testid="stMain"]') ?? document.scrollingElement;
}

function flash(text) {
  flashed.textContent = text;
  flashed.hidden = false;
  clearTimeout(flashed.timer);
  flashed.timer = setTimeout(() => (flashed.hidden = true), FLASH);
}

function refuse(why) {
  refused += 1;
  stage.dataset.ignored = String(Number(stage.dataset.ignored ?? 0) + 1);
  flash(`${refused === 1 ? "1 press" : `${refused} presses`} ignored: ${why} Nothing was decided.`);
}

function press(element, value) {
  const { guard, ...said } = element.press;
  const shown = shownAt === null ? 0 : Math.floor(performance.now() - shownAt);
  const isLook = said.act === "look again";
  if (waiting !== null && (isLook || !looks)) {
    if (element.tagName === "INPUT") queued = element.id;
    else if (guard) refuse("the page was still at work on the last one.");
    return;
  }
  if (guard && shown < data.guard) return refuse(`this row had been on the screen for ${shown} ms.`);
  number += 1;
  waiting = number;
  looks = isLook;
  if (!isLook) stage.setAttribute("aria-busy", "true");
  const values = {};
  for (const field of stage.querySelectorAll("input[name], textarea[name]")) values[field.name] = field.value;
  send({ ...said, n: number, onScreen: data.row, shown, values, ...(value === undefined ? {} : { value }) });
}

function answered() {
  if (data.session !== session) {
    session = data.session; // the server is another one: it knows nothing of what was sent to the last
    waiting = null;
  }
  if (waiting !== null && data.answered >= waiting) {
    waiting = null;
    if (data.refused === 0) refused = 0;
    const later = queued && document.getElementById(queued);
    queued = null;
    if (later) press(later, later.value);
  }
  if (waiting === null) stage.removeAttribute("aria-busy");
  clearTimeout(lookLater);
  if (data.poll) lookLater = setTimeout(() => press({ press: { act: "look again" } }), data.poll);
}

function isTyping(element) {
  return element instanceof HTMLElement && element.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
}

function nameOf(event) {
  const name = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  return event.ctrlKey || event.metaKey ? `Ctrl+${name}` : name;
}

function onKey(event) {
  if (!stage?.isConnected || event.isComposing || event.altKey) return;
  const name = nameOf(event);
  const typing = isTyping(event.target);
  if (typing && event.target.tagName === "INPUT" && (name === "Enter" || name === "Escape")) return leave(event);
  if (typing && name !== "Escape" && !name.startsWith("Ctrl+")) return;
  if (name === "Enter" && event.target instanceof HTMLElement && event.target.closest("button, summary")) return;
  if (name === "Escape" && event.target.closest?.(".facets")) return event.target.blur();
  const button = [...stage.querySelectorAll("[data-key]")].find((one) => one.dataset.key.split(" ").includes(name) && !one.disabled);
  if (button) {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.repeat && !button.press?.repeats) {
      if (button.press?.guard) refuse("the key was held down.");
      return;
    }
    act(button);
  } else if (!typing && (name === "ArrowDown" || name === "ArrowUp") && stage.querySelector("[data-item]")) {
    event.preventDefault();
    event.stopImmediatePropagation();
    step(name === "ArrowDown" ? 1 : -1);
  } else if (!typing && (name === "R" || name === "C")) {
    event.stopImmediatePropagation(); // Streamlit's own keys
  }
}

// Up and down in the list; and in the filters, once the focus is there.
function step(by) {
  const inFilters = document.activeElement.closest(".facets");
  const items = [...stage.querySelectorAll(inFilters ? ".facets :is(.choice, .bar:not(:disabled))" : "[data-item]")];
  const at = items.indexOf(document.activeElement);
  items[Math.max(0, Math.min(items.length - 1, at + by))]?.focus();
}

// Out of a field of one line, back to the keys of the page; what was typed into a search is sent at once.
function leave(event) {
  const field = event.target;
  event.preventDefault();
  event.stopImmediatePropagation();
  clearTimeout(field.timer);
  field.blur();
  if (field.press && field.value !== field.defaultValue) press(field, field.value);
}

function act(element) {
  if (element.dataset.focuses) {
    const field = document.getElementById(element.dataset.focuses);
    field?.focus();
    field?.select?.();
  } else if (element.dataset.copies) copy(element.dataset.copies);
  else if (element.dataset.leaves && isDirty() && !stage.dataset.leaving) {
    stage.dataset.leaving = "yes";
    flash("The edit is not saved. Press again to leave it.");
  } else if (element.press) {
    delete stage.dataset.leaving;
    press(element);
  }
}

function isDirty() {
  return [...stage.querySelectorAll("textarea[name]")].some((field) => field.value !== field.dataset.was);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    flash("Copied.");
  } catch {
    flash("The browser did not allow to copy: select the text instead.");
  }
}

function onClick(event) {
  const element = event.target.closest("button");
  if (!element || !stage.contains(element) || element.disabled) return;
  act(element);
}

function onInput(event) {
  const field = event.target;
  if (field.tagName === "TEXTAREA") fit(field);
  if (!field.press) return;
  clearTimeout(field.timer);
  field.timer = setTimeout(() => press(field, field.value), INPUT_PAUSE);
}

function fit(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}

export default function (component) {
  const root = component.parentElement;
  send = (message) => component.setTriggerValue("press", message);
  if (!stage?.isConnected || !root.contains(stage)) {
    stage = document.createElement("div");
    stage.className = "paper";
    flashed = document.createElement("div");
    flashed.className = "flash";
    flashed.setAttribute("role", "status");
    flashed.hidden = true;
    root.append(stage, flashed);
    stage.addEventListener("click", onClick);
    stage.addEventListener("input", onInput);
    drawn = "";
    if (!window.curateKeys) window.addEventListener("keydown", (event) => window.curateKeys(event), true);
    window.curateKeys = onKey;
  }
  data = component.data;
  draw();
  answered();
}
